//! OpenSSL and GnuTLS: what is chosen in functions of every make.

use super::super::{Analysis, Call, Confidence, Kind, Moment, Place, Register, Site, analyse, analyse_without_return_probes};
use super::code::*;
use super::fixture::{TEXT, TEXT_OFFSET, file, hashed_library, library};

const UNKNOWN: [Place; 4] = [Place::Unknown; 4];

fn register(register: Register) -> Place {
    Place::Register(register)
}

fn analysed(functions: &[(&str, &[u8])]) -> Analysis {
    analyse(&file(&library(functions, true))).unwrap().unwrap()
}

/// SSL_read with this code: the bytes from its start to its Entry, and its Results.
fn ssl_read(code: &[u8], return_probes: bool) -> (Site, Vec<Site>) {
    let file = file(&library(&[("SSL_read", code), ("SSL_write", FORWARDS)], true));
    let analysis = if return_probes { analyse(&file) } else { analyse_without_return_probes(&file) };
    let sites: Vec<Site> = analysis.unwrap().unwrap().sites.into_iter().filter(|s| s.symbol == "SSL_read").collect();
    let (entries, results): (Vec<Site>, Vec<Site>) = sites.into_iter().partition(|s| s.moment == Moment::Entry);
    assert_eq!(entries.len(), 1, "{entries:?}");
    (entries[0].clone(), results)
}

fn at(site: &Site) -> (u64, bool, bool) {
    assert_eq!(site.offset - TEXT_OFFSET, site.address - TEXT);
    (site.address - TEXT, site.emulated, site.uretprobe)
}

#[test]
fn the_stack_check_at_the_end_has_the_result() {
    let (entry, results) = ssl_read(CHECKED_AT_THE_END, true);
    assert_eq!(at(&entry), (0x16, true, false));
    assert_eq!(entry.arguments, [register(Register::Rdi), register(Register::Rsi), register(Register::Rdx), Place::Unknown]);
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x38, true, false)]);
    assert_eq!((results[0].result, results[0].status), (register(Register::Rax), Place::Unknown));
    assert_eq!(results[0].arguments, UNKNOWN);
}

#[test]
fn the_jump_that_decides_has_status_and_value() {
    let (entry, results) = ssl_read(STATUS_AND_VALUE, true);
    assert_eq!(at(&entry), (0, true, false));
    // the path of an argument error passes nothing, and needs nothing
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x18, true, false)]);
    assert_eq!((results[0].result, results[0].status), (Place::Stack(8), register(Register::Rax)));
}

#[test]
fn with_nothing_emulated_the_return_instruction_is_left() {
    let (entry, results) = ssl_read(CONDITIONAL_MOVE, true);
    assert_eq!(at(&entry), (0xc, true, false));
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x1c, false, false)]);
    assert_eq!(results[0].result, register(Register::Rax));
}

#[test]
fn the_function_whose_result_is_passed_on_takes_the_return_probe() {
    // what it calls begins with a push
    let mut code = CONDITIONAL_MOVE.to_vec();
    code.resize(0x200, 0xc3);
    code.extend([0x53, 0x5b, 0xc3]);
    let (_, results) = ssl_read(&code, true);
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x200, true, true)]);
    assert_eq!((results[0].result, results[0].status), (Place::Stack(8), register(Register::Rax)));
    let (_, results) = ssl_read(&code, false);
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x1c, false, false)]);

    let functions = [("SSL_read", FORWARDS), ("SSL_write", FORWARDS), ("SSL_read_ex", code.as_slice())];
    let sites = analysed(&functions).sites;
    let result = sites.iter().find(|s| s.call == Call::ReadEx && s.moment == Moment::Result);
    assert!(result.is_some_and(|s| !s.uretprobe), "SSL_read would pay for it");
}

#[test]
fn a_return_probe_goes_where_the_return_address_is_on_top() {
    let (entry, results) = ssl_read(PUSHES_FIRST, true);
    assert_eq!(at(&entry), (4, true, false));
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(4, true, true)]);
    let (_, results) = ssl_read(PUSHES_FIRST, false);
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0x13, false, false)]);
}

#[test]
fn a_jump_to_the_function_that_returns_takes_a_return_probe() {
    let (_, results) = ssl_read(TAIL_CALL, true);
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0xd, true, true), (0x1d, false, false)]);
    let (_, results) = ssl_read(TAIL_CALL, false);
    assert_eq!(results, [], "the end is in another function");
}

#[test]
fn a_function_that_cannot_be_followed_takes_a_return_probe() {
    let (entry, results) = ssl_read(TABLE, true);
    assert_eq!(at(&entry), (0, true, false));
    assert_eq!(results.iter().map(at).collect::<Vec<_>>(), [(0, true, true)]);
    let file = file(&library(&[("SSL_read", TABLE), ("SSL_write", FORWARDS)], true));
    let analysis = analyse_without_return_probes(&file).unwrap().unwrap();
    assert!(analysis.refused.iter().any(|(name, why)| name == "SSL_read" && why.contains("jumps through a table")));
}

#[test]
fn a_loop_is_no_place_for_an_entry() {
    let (entry, _) = ssl_read(STARTS_WITH_A_LOOP, true);
    assert_eq!(at(&entry), (0, false, false));
    assert!(entry.reason.contains("loop"), "{}", entry.reason);
}

#[test]
fn arguments_are_followed_through_copies() {
    let (entry, _) = ssl_read(MOVES_ITS_ARGUMENTS, true);
    assert_eq!(at(&entry), (0x15, true, false));
    let places = [register(Register::R12), Place::Stack(0x18), register(Register::R8), Place::Unknown];
    assert_eq!(entry.arguments, places, "the third has 32 bits, which a short move keeps");
    let (entry, _) = ssl_read(LOSES_AN_ARGUMENT, true);
    assert_eq!(at(&entry), (0, false, false), "a short move cuts a pointer");
}

#[test]
fn gnutls_send_that_goes_on_in_send2_is_seen_there_alone() {
    let functions = [
        ("gnutls_record_send", FORWARDS),
        ("gnutls_record_send2", PUSHES_FIRST),
        ("gnutls_record_recv", TAIL_CALL),
        ("gnutls_deinit", PUSHES_FIRST),
    ];
    let analysis = analysed(&functions);
    assert_eq!(analysis.kind, Kind::GnuTls);
    let of =
        |symbol: &str| analysis.sites.iter().filter(|s| s.symbol == symbol).map(|s| (s.call, s.moment)).collect::<Vec<_>>();
    assert_eq!(of("gnutls_record_send"), []);
    assert_eq!(of("gnutls_record_send2"), [(Call::Write, Moment::Entry), (Call::Write, Moment::Result)]);
    assert_eq!(of("gnutls_deinit"), [(Call::Free, Moment::Entry)]);
    assert_eq!(analysis.refused, []);
    assert_eq!(analysis.forwarding, [("gnutls_record_send".to_owned(), "gnutls_record_send2")]);

    // an older one does it all itself
    let alone = analysed(&[("gnutls_record_send", PUSHES_FIRST), ("gnutls_record_recv", TAIL_CALL)]);
    assert!(alone.sites.iter().any(|s| s.symbol == "gnutls_record_send" && s.moment == Moment::Result));
}

#[test]
fn either_symbol_table_will_do() {
    let functions = [("SSL_read", PUSHES_FIRST), ("xSSL_write", TABLE), ("SSL_write", PUSHES_FIRST), ("SSL_free_not", TABLE)];
    let exported = analyse(&file(&library(&functions, true))).unwrap().unwrap();
    let symbols = analyse(&file(&library(&functions, false))).unwrap().unwrap();
    assert_eq!(exported.sites, symbols.sites);
    assert_ne!(exported.confidence, symbols.confidence);
    assert_eq!(exported.build_id.as_deref(), Some("abcdef"));
    assert_eq!(exported.version.as_deref(), Some("OPENSSL_3.10.0"));
    assert!(exported.sites.iter().all(|s| ["SSL_read", "SSL_write"].contains(&s.symbol.as_str())), "{exported:?}");
}

#[test]
fn other_libraries_hold_nothing() {
    assert_eq!(analyse(&file(&library(&[("SSL_read", TABLE), ("read", TABLE)], true))).unwrap(), None);
    assert_eq!(analyse(&file(&library(&[], true))).unwrap(), None);
}

#[test]
fn the_loaders_hash_table_gives_the_same_functions() {
    let functions: [(&str, &[u8]); 4] =
        [("SSL_new", FORWARDS), ("SSL_read", CHECKED_AT_THE_END), ("SSL_write", STATUS_AND_VALUE), ("SSL_shutdown", FORWARDS)];
    let hashed = analyse(&file(&hashed_library(&functions))).unwrap().unwrap();
    let looked_through = analysed(&functions);
    assert_eq!(hashed.sites, looked_through.sites);
    assert!(hashed.sites.len() >= 4 && hashed.confidence == Confidence::Exported, "{hashed:?}");
    assert_eq!(analyse(&file(&hashed_library(&functions[..2]))).unwrap(), None);
}

#[test]
fn a_hash_table_that_is_damaged_gives_nothing_and_no_panic() {
    let functions: [(&str, &[u8]); 2] = [("SSL_read", CHECKED_AT_THE_END), ("SSL_write", STATUS_AND_VALUE)];
    let whole = hashed_library(&functions);
    for cut in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[cut] ^= 0xff;
        let _ = analyse(&file(&bytes));
        let _ = analyse(&file(&whole[..cut]));
    }
}
