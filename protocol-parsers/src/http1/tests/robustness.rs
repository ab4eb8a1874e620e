//! Any portions give the same rows; any damage gives no panic and holds no memory.

use proptest::prelude::*;

use super::harness::{Step, request, response, run, talk};
use crate::conversation::Fed;
use crate::{Flow, Settings};

const HEAP_BYTES_MAX: usize = 12 << 20;

/// One exchange of a well-formed conversation, its request before its response.
fn exchange() -> impl Strategy<Value = Vec<Step>> {
    let requests = prop_oneof![
        Just("GET /a HTTP/1.1\r\nHost: h\r\n\r\n".to_string()),
        Just("HEAD /h HTTP/1.1\nX: 1\n y\n\n".to_string()),
        Just("\r\nPROPFIND * HTTP/1.0\r\n\r\n".to_string()),
        "[a-zA-Z \r\n]{1,40}".prop_map(|b| format!("POST /p HTTP/1.1\r\nContent-Length: {}\r\n\r\n{b}", b.len())),
        "[a-zA-Z \r\n]{1,40}".prop_map(|b| format!(
            "PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};e\r\n{b}\r\n0\r\nT: 1\r\n\r\n",
            b.len()
        )),
    ];
    let responses = prop_oneof![
        Just("HTTP/1.1 204 No Content\r\n\r\n".to_string()),
        Just("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304\r\nContent-Length: 5\r\n\r\n".to_string()),
        Just("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_string()),
        "[a-z{}\r\n]{1,60}"
            .prop_map(|b| format!("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n{:X}\r\n{b}\r\n0\r\n\r\n", b.len())),
    ];
    (requests, responses).prop_map(|(q, p)| vec![request(q), response(p)])
}

fn conversation() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![Just(Step::Close), Just(Step::End(Flow::ToClient)), Just(Step::Expire(0))];
    (proptest::collection::vec(exchange(), 1..6), end).prop_map(|(exchanges, end)| {
        let mut steps = exchanges.concat();
        steps.push(end);
        steps
    })
}

/// The same steps, each in portions of these sizes in turn.
fn in_portions(steps: &[Step], sizes: &[usize]) -> Fed {
    let mut connection = talk(&Settings::default(), true);
    for (n, step) in steps.iter().enumerate() {
        connection.turn(step, || sizes[n % sizes.len()]);
    }
    connection
}

fn damage(steps: &mut [Step], flips: &[(usize, usize, u8)]) {
    let count = steps.len();
    for &(step, at, mask) in flips {
        if let Step::Bytes(_, bytes) = &mut steps[step % count]
            && !bytes.is_empty()
        {
            let at = at % bytes.len();
            bytes[at] ^= mask;
        }
    }
}

fn flips() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn portions_do_not_matter(mut steps in conversation(), flips in flips(), sizes in proptest::collection::vec(1usize..30, 1..8)) {
        damage(&mut steps, &flips);
        let whole = run(&Settings::default(), true, &steps, usize::MAX).rows;
        prop_assert_eq!(&run(&Settings::default(), true, &steps, 1).rows.lines, &whole.lines);
        prop_assert_eq!(&in_portions(&steps, &sizes).rows.lines, &whole.lines);
    }

    #[test]
    fn damage_does_no_harm(
        mut steps in conversation(),
        flips in flips(),
        cut in any::<usize>(),
        hole in (any::<usize>(), any::<bool>(), 0u64..200),
        from_start in any::<bool>(),
        portion in 1usize..50,
    ) {
        damage(&mut steps, &flips);
        let at = cut % steps.len();
        if let Step::Bytes(_, bytes) = &mut steps[at] {
            bytes.truncate(cut % (bytes.len() + 1));
        }
        let flow = if hole.1 { Flow::ToServer } else { Flow::ToClient };
        steps.insert(hole.0 % (steps.len() + 1), Step::Unseen(flow, hole.2));
        steps.push(Step::Close);
        let got = run(&Settings::default(), from_start, &steps, portion);
        prop_assert!(got.heap_bytes_max < HEAP_BYTES_MAX);
    }

    #[test]
    fn random_bytes_do_no_harm(up in proptest::collection::vec(any::<u8>(), 0..300), down in proptest::collection::vec(any::<u8>(), 0..300)) {
        let steps = [request(up), response(down), Step::Close];
        run(&Settings::default(), true, &steps, 7);
        run(&Settings::default(), false, &steps, usize::MAX);
    }
}
