//! Header blocks against an independent decoder.

use proptest::prelude::*;

use crate::http2::fields::Fields;
use crate::http2::hpack::Decoder;

type Field = (Vec<u8>, Vec<u8>);

/// One representation of a field, or a size update.
#[derive(Clone, Debug)]
enum Part {
    Indexed(u32),
    /// First bits, bits of the index, index (0 for a literal name).
    Literal(u8, u32, u32, String, String),
    Resize(u32),
}

fn integer(out: &mut Vec<u8>, first: u8, prefix: u32, value: u32) {
    let most = (1 << prefix) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 128 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn string(out: &mut Vec<u8>, text: &str) {
    integer(out, 0, 7, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
}

fn block(parts: &[Part]) -> Vec<u8> {
    let mut out = vec![];
    for part in parts {
        match part {
            Part::Indexed(index) => integer(&mut out, 0x80, 7, *index),
            Part::Literal(first, prefix, index, name, value) => {
                integer(&mut out, *first, *prefix, *index);
                if *index == 0 {
                    string(&mut out, name);
                }
                string(&mut out, value);
            }
            Part::Resize(size) => integer(&mut out, 0x20, 5, *size),
        }
    }
    out
}

fn part() -> impl Strategy<Value = Part> {
    let text = || "[a-z0-9/ .-]{0,40}";
    let index = || prop_oneof![Just(0), 1..62_u32, 62..70_u32];
    prop_oneof![
        (1..72_u32).prop_map(Part::Indexed),
        (index(), "[a-z-]{1,12}", text()).prop_map(|(i, n, v)| Part::Literal(0x40, 6, i, n, v)),
        (index(), "[a-z-]{1,12}", text()).prop_map(|(i, n, v)| Part::Literal(0x00, 4, i, n, v)),
        (index(), "[a-z-]{1,12}", text()).prop_map(|(i, n, v)| Part::Literal(0x10, 4, i, n, v)),
        (0_u32..3, "[a-z-]{1,12}", text()).prop_map(|(_, n, v)| Part::Literal(0x40, 6, 0, n, v)),
    ]
}

/// Blocks, some of which begin with a new size of the table.
fn blocks() -> impl Strategy<Value = Vec<Vec<Part>>> {
    let size =
        prop_oneof![Just(None), Just(None), Just(Some(0_u32)), (0..4097_u32).prop_map(Some), (30..200_u32).prop_map(Some)];
    let one = (size, prop::collection::vec(part(), 1..12))
        .prop_map(|(size, parts)| size.map(Part::Resize).into_iter().chain(parts).collect::<Vec<_>>());
    prop::collection::vec(one, 1..20)
}

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Option<(Vec<Field>, u32)> {
    let mut fields = Fields::default();
    decoder.decode(block, &mut fields).ok()?;
    let list = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    Some((list, fields.unknown))
}

fn other() -> fluke_hpack::Decoder<'static> {
    let mut decoder = fluke_hpack::Decoder::new();
    decoder.set_max_allowed_table_size(4096);
    decoder
}

/// Whether `known` are fields of `all`, in order.
fn is_part(known: &[Field], all: &[Field]) -> bool {
    let mut all = all.iter();
    known.iter().all(|field| all.any(|other| other == field))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_are_decoded_as_another_decoder_does(blocks in blocks()) {
        let (mut ours, mut theirs) = (Decoder::new(true), other());
        for parts in blocks {
            let block = block(&parts);
            let Ok(want) = theirs.decode(&block) else {
                prop_assert_eq!(decoded(&mut ours, &block), None);
                break;
            };
            prop_assert_eq!(decoded(&mut ours, &block), Some((want, 0)));
        }
    }

    /// What is known of a connection joined in the middle is right, and a table that is emptied is known again.
    #[test]
    fn what_was_not_seen_is_unknown_and_never_wrong(blocks in blocks(), seen_from in 0..10_usize) {
        let (mut ours, mut theirs) = (Decoder::new(false), other());
        let mut emptied = false;
        for (n, parts) in blocks.iter().enumerate() {
            let block = block(parts);
            let Ok(want) = theirs.decode(&block) else { break };
            if n < seen_from {
                continue;
            }
            let (known, unknown) = decoded(&mut ours, &block).expect("what others can decode");
            emptied |= matches!(parts.first(), Some(Part::Resize(0)));
            prop_assert!(is_part(&known, &want), "{:?} are not of {:?}", known, want);
            prop_assert_eq!(known.len() + unknown as usize, want.len());
            prop_assert!(!emptied || unknown == 0);
        }
    }

    #[test]
    fn nothing_panics(block in prop::collection::vec(any::<u8>(), 0..200), from_start in any::<bool>()) {
        let mut decoder = Decoder::new(from_start);
        decoded(&mut decoder, &block);
        decoded(&mut decoder, &block);
    }
}

#[test]
fn a_table_heals_as_it_fills() {
    let mut decoder = Decoder::new(false);
    assert_eq!(decoded(&mut decoder, &[0xbe]), Some((vec![], 1)));
    // a name from an unknown entry, whose value is known and which is known no more than that
    assert_eq!(decoded(&mut decoder, &[0x7e, 1, b'v']), Some((vec![], 1)));
    assert_eq!(decoded(&mut decoder, &[0xbe]), Some((vec![], 1)));
    let inserted = Some((vec![(b"n".to_vec(), b"w".to_vec())], 0));
    assert_eq!(decoded(&mut decoder, &[0x40, 1, b'n', 1, b'w']), inserted);
    assert_eq!(decoded(&mut decoder, &[0xbe]), inserted);
    assert_eq!(decoded(&mut decoder, &[0xbf]), Some((vec![], 1)));
    decoder.lose();
    assert_eq!(decoded(&mut decoder, &[0xbe]), Some((vec![], 1)));
    assert_eq!(decoded(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0xbe]), None, "it is empty now");
}
