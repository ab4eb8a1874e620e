//! One function of a C library: from its name and place to its sites.
//!
//! In: the function's signature, its address and size. Out: its [`Site`]s, or why it has none.

use super::Error;
use super::elf::Elf;
use super::entry;
use super::graph::{self, Graph, Instructions};
use super::result;
use super::site::{Call, Kind, Moment, Place, Register, Site};
use super::symbols::Symbol;
use super::values::{Convention, Signature, Width};

/// Longer functions are not followed; a symbol without a size is given this.
const FUNCTION_BYTES_MAX: u64 = 64 << 10;

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
}

impl Function {
    /// Of at most four arguments, of which each is needed.
    pub const fn new(kind: Kind, name: &'static str, call: Call, widths: &[Width], need: Need) -> Function {
        let mut all = [Width::Bits64; 4];
        let mut n = 0;
        while n < widths.len() && n < all.len() {
            all[n] = widths[n];
            n += 1;
        }
        let signature = Signature { convention: Convention::SystemV, widths: all };
        Function { kind, name, call, arguments: n, signature, need }
    }

    /// The inner Err says why the function cannot be probed.
    pub fn sites(&self, elf: &Elf<'_>, symbol: &Symbol) -> Result<Result<Vec<Site>, String>, Error> {
        let mut instructions = Instructions::new(elf);
        let size = if symbol.size == 0 { FUNCTION_BYTES_MAX } else { symbol.size.min(FUNCTION_BYTES_MAX) };
        let graph = graph::explore(&mut instructions, symbol.address, size, &self.signature)?;
        let followed = graph.as_ref().ok();
        let spot = match entry::find(&mut instructions, symbol.address, self.arguments, &self.signature, followed)? {
            Ok(spot) => spot,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut sites = vec![];
        sites.extend(self.site(elf, symbol, spot.address, Moment::Entry).map(|site| Site {
            emulated: spot.emulated,
            arguments: spot.arguments,
            reason: spot.reason,
            ..site
        }));
        if let Need::Result(width) = self.need {
            match self.results(elf, &mut instructions, symbol, &graph, width)? {
                Ok(results) => sites.extend(results),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Ok(sites))
    }

    /// Emulated places if they cover every return; else a return probe on an emulated place; else return instructions; else a
    /// return probe at the start.
    fn results(
        &self,
        elf: &Elf<'_>,
        instructions: &mut Instructions<'_>,
        symbol: &Symbol,
        graph: &Result<Graph, &'static str>,
        width: Width,
    ) -> Result<Result<Vec<Site>, String>, Error> {
        let endings = graph.as_ref().map_err(|e| *e).and_then(|graph| result::find(graph, &self.signature, width));
        let probe = entry::for_return_probe(instructions, symbol.address, &self.signature, graph.as_ref().ok())?;
        let why_return_probe = match (&endings, probe) {
            (Ok(endings), Some((_, true))) if endings.iter().any(|e| !e.emulated) => "no emulated place has every result",
            (Err(reason), _) => reason,
            (Ok(endings), _) => {
                let site = |ending: &result::Ending| {
                    self.site(elf, symbol, ending.address, Moment::Result).map(|site| Site {
                        emulated: ending.emulated,
                        result: ending.result,
                        status: ending.status,
                        reason: ending.reason.clone(),
                        ..site
                    })
                };
                return Ok(Ok(endings.iter().filter_map(site).collect()));
            }
        };
        let Some((address, emulated)) = probe else {
            return Ok(Err(format!("{why_return_probe}, and the kernel refuses probes on its first instruction")));
        };
        let site = self.site(elf, symbol, address, Moment::Result).map(|site| Site {
            emulated,
            uretprobe: true,
            result: Place::Register(Register::Rax),
            reason: format!("return probe: {why_return_probe}"),
            ..site
        });
        Ok(Ok(site.into_iter().collect()))
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
            status: Place::Unknown,
            reason: String::new(),
        })
    }
}
