//! One function of a C library: from its name and place to its sites.
//!
//! In: the function's signature, its address and size. Out: its [`Site`]s, or why it has none.

use super::Error;
use super::elf::Elf;
use super::entry;
use super::graph::{self, Graph, Instructions, NeverReturns, TailCalls};
use super::result::{self, Ending};
use super::site::{Analysis, Call, Kind, Moment, NO_CONDITIONS, Place, Register, Site};
use super::symbols::Symbol;
use super::values::{ARGUMENTS, Convention, Signature, Width};

/// Longer functions are not followed; a symbol without a size is given this.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;

/// Why an `_ex` function is left with its return instruction.
const SHARED: &str =
    "; the function that it calls could take a return probe, but the plain form calls it too and would pay for it";

/// What of the call is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    Entry,
    Result(Width),
}

#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub kind: Kind,
    pub name: &'static str,
    pub call: Call,
    arguments: usize,
    signature: Signature,
    need: Need,
    /// The function that may do all the work in this one's place.
    forwards_to: Option<&'static str>,
}

/// Where a function is looked at.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    pub elf: &'a Elf<'a>,
    /// The functions that are probed beside it.
    pub others: &'a [Symbol],
    /// May return addresses be replaced?
    pub return_probes: bool,
}

impl Function {
    /// Of at most four arguments, of which each is needed.
    pub const fn new(kind: Kind, name: &'static str, call: Call, widths: &[Width], need: Need) -> Function {
        let mut all = [Width::Bits64; ARGUMENTS];
        let mut n = 0;
        while n < widths.len() && n < 4 {
            all[n] = widths[n];
            n += 1;
        }
        let convention = match kind {
            Kind::Go => Convention::Go,
            Kind::OpenSsl | Kind::GnuTls | Kind::WolfSsl | Kind::MbedTls | Kind::Rustls => Convention::SystemV,
        };
        let signature = Signature { convention, widths: all };
        Function { kind, name, call, arguments: n, signature, need, forwards_to: None }
    }

    pub const fn forwards_to(self, name: &'static str) -> Function {
        Function { forwards_to: Some(name), ..self }
    }

    /// Adds to the analysis what is found, or why nothing is. `never_returns` knows functions that end the program or panic, by
    /// address.
    pub fn add_sites(
        &self,
        within: &Within<'_>,
        symbol: &Symbol,
        never_returns: &mut NeverReturns<'_>,
        analysis: &mut Analysis,
    ) -> Result<(), Error> {
        let Within { elf, others, .. } = *within;
        let mut instructions = Instructions::new(elf);
        let size = if symbol.size == 0 { FUNCTION_BYTES_MAX } else { symbol.size.min(FUNCTION_BYTES_MAX) };
        let mut explore =
            |tail_calls| graph::explore(&mut instructions, symbol.address, size, &self.signature, never_returns, tail_calls);
        let graph = explore(TailCalls::Stop)?;
        let forwards = graph.as_ref().is_ok_and(Graph::only_forwards);
        if let Some(name) = self.forwards_to.filter(|name| forwards && others.iter().any(|other| other.name == *name)) {
            analysis.forwarding.push((symbol.name.clone(), name));
            return Ok(());
        }
        let longer = match self.need {
            Need::Result(_) if self.signature.convention == Convention::SystemV => explore(TailCalls::Follow)?.ok(),
            _ => None,
        };
        let followed = graph.as_ref().ok();
        let spot = match entry::find(&mut instructions, symbol.address, self.arguments, &self.signature, followed)? {
            Ok(spot) => spot,
            Err(reason) => {
                analysis.refused.push((symbol.name.clone(), reason));
                return Ok(());
            }
        };
        analysis.sites.extend(self.site(elf, symbol, spot.address, Moment::Entry).map(|site| Site {
            emulated: spot.emulated,
            arguments: spot.arguments,
            reason: spot.reason,
            ..site
        }));
        if let Need::Result(width) = self.need {
            match self.results(within, &mut instructions, symbol, (&graph, longer.as_ref()), width)? {
                Ok(results) => analysis.sites.extend(results),
                Err(reason) => analysis.refused.push((symbol.name.clone(), format!("its result cannot be seen: {reason}"))),
            }
        }
        Ok(())
    }

    /// Emulated places if they cover every return; else a return probe on an emulated place; else return instructions; else a
    /// return probe at the start. In Go never a return probe.
    fn results(
        &self,
        within: &Within<'_>,
        instructions: &mut Instructions<'_>,
        symbol: &Symbol,
        (graph, longer): (&Result<Graph, &'static str>, Option<&Graph>),
        width: Width,
    ) -> Result<Result<Vec<Site>, String>, Error> {
        let elf = within.elf;
        let return_probes = within.return_probes && self.signature.convention == Convention::SystemV;
        let find = |graph: &Graph| result::find(graph, &self.signature, width, return_probes);
        let all_emulated = |endings: &Vec<Ending>| endings.iter().all(|e| e.emulated && !e.uretprobe);
        let mut endings = graph.as_ref().map_err(|e| *e).and_then(find);
        if !endings.as_ref().is_ok_and(all_emulated)
            && let Some(Ok(further)) = longer.map(find)
            && all_emulated(&further)
        {
            endings = Ok(further);
        }
        let probe = match return_probes {
            true => entry::for_return_probe(instructions, symbol.address, &self.signature, graph.as_ref().ok())?,
            false => None,
        };
        let cheap = endings.as_ref().is_ok_and(all_emulated) || probe.is_some_and(|(_, emulated)| emulated);
        if return_probes
            && !cheap
            && let Ok(graph) = graph
            && let Some(endings) = self.behind_calls(instructions, graph, width)?
        {
            return Ok(Ok(self.ended(elf, symbol, endings)));
        }
        let (why, (address, emulated)) = match (endings, probe) {
            (Ok(endings), Some((_, true))) if all_emulated(&endings) => {
                return Ok(Ok(self.ended(elf, symbol, endings)));
            }
            (Ok(_), Some((address, true))) => ("no emulated place has every result", (address, true)),
            (Ok(mut endings), _) => {
                if matches!(self.call, Call::ReadEx | Call::WriteEx) {
                    endings.iter_mut().for_each(|ending| ending.reason.push_str(SHARED));
                }
                return Ok(Ok(self.ended(elf, symbol, endings)));
            }
            (Err(reason), Some(probe)) => (reason, probe),
            (Err(reason), None) => return Ok(Err(reason.to_owned())),
        };
        let site = self.site(elf, symbol, address, Moment::Result).map(|site| Site {
            emulated,
            uretprobe: true,
            result: Place::Register(Register::Rax),
            reason: format!("return probe: {why}"),
            ..site
        });
        Ok(Ok(site.into_iter().collect()))
    }

    /// Return probes in the functions that this one calls, where those are emulated. Not for the forms with a count behind a
    /// pointer: they share what they call with the plain forms, which would pay for it.
    fn behind_calls(
        &self,
        instructions: &mut Instructions<'_>,
        graph: &Graph,
        width: Width,
    ) -> Result<Option<Vec<Ending>>, Error> {
        if !matches!(self.call, Call::Read | Call::Write) {
            return Ok(None);
        }
        let Some(mut endings) = result::find_behind_calls(graph, &self.signature, width) else { return Ok(None) };
        for ending in &mut endings {
            let Some(callee) = ending.callee else { return Ok(None) };
            let size = FUNCTION_BYTES_MAX;
            let inner = graph::explore(instructions, callee, size, &self.signature, &mut |_| Ok(false), TailCalls::Stop)?;
            match entry::for_return_probe(instructions, callee, &self.signature, inner.as_ref().ok())? {
                Some((address, true)) => ending.address = address,
                _ => return Ok(None),
            }
        }
        Ok(Some(endings))
    }

    fn ended(&self, elf: &Elf<'_>, symbol: &Symbol, endings: Vec<Ending>) -> Vec<Site> {
        let site = |ending: Ending| {
            self.site(elf, symbol, ending.address, Moment::Result).map(|site| Site {
                emulated: ending.emulated,
                uretprobe: ending.uretprobe,
                result: ending.result,
                plus: ending.plus,
                status: ending.status,
                reason: ending.reason,
                ..site
            })
        };
        endings.into_iter().filter_map(site).collect()
    }

    fn site(&self, elf: &Elf<'_>, symbol: &Symbol, address: u64, moment: Moment) -> Option<Site> {
        let (offset, _) = elf.locate_code(address)?;
        Some(Site {
            kind: self.kind,
            call: self.call,
            symbol: symbol.name.clone(),
            offset,
            address,
            moment,
            emulated: false,
            uretprobe: false,
            arguments: [Place::Unknown; 4],
            result: Place::Unknown,
            plus: Place::Unknown,
            status: Place::Unknown,
            only_if: NO_CONDITIONS,
            reason: String::new(),
        })
    }
}
