//! What detection says of a conversation, seen from one place.
//!
//! In: what two ends said, in order, and where the look begins. Out: the name of the protocol, or none. Bytes come as they came,
//! one piece after the other, and the first answer counts, as it does for a connection of this host.

use protocol_parsers::{Confidence, Looks, Transport, detect};
use tests::Random;

/// What one end said at once; what follows a hole is another conversation.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The end that is looked at said it.
    pub sent: bool,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Talk {
    pub transport: Transport,
    /// Whether it begins where its connection does.
    pub from_start: bool,
    pub pieces: Vec<Piece>,
}

/// Where a look begins, and what it sees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum View {
    Start,
    /// Between two pieces.
    Joined,
    /// Within a piece, so that the first message is not whole.
    Within,
    /// Between two pieces, and of one direction nothing.
    OneSided,
}

pub const VIEWS: [View; 4] = [View::Start, View::Joined, View::Within, View::OneSided];

/// Looks of one kind at one conversation; the places of a long one are drawn.
const PLACES_MAX: usize = 64;
/// How much of a direction is looked at before it is given up, as for a connection of this host.
const KEPT_BYTES_MAX: usize = 64 << 10;
const LOOKED_AT_BYTES: usize = 8 << 10;

/// What is said of a conversation in each look of this kind.
pub fn looks(talk: &Talk, view: View, random: &mut Random) -> Vec<Option<&'static str>> {
    let whole = || talk.pieces.iter().map(|p| (p.sent, p.bytes.as_slice()));
    match view {
        View::Start if talk.from_start => vec![look(talk.transport, whole(), true)],
        View::Start => vec![],
        View::Joined => places(talk, random).map(|at| look(talk.transport, whole().skip(at), false)).collect(),
        View::OneSided => places(talk, random)
            .flat_map(|at| [true, false].map(|side| (at, side)))
            .filter(|&(at, side)| whole().skip(at).any(|(sent, _)| sent == side))
            .map(|(at, side)| look(talk.transport, whole().skip(at).filter(|(sent, _)| *sent == side), false))
            .collect(),
        // a datagram is whole
        View::Within if talk.transport == Transport::Datagram => vec![],
        View::Within => {
            let cuts: Vec<(usize, usize)> =
                places(talk, random).map(|at| (at, talk.pieces[at].bytes.len())).filter(|(_, len)| *len > 1).collect();
            let mut said = vec![];
            for (at, len) in cuts {
                let cut = 1 + random.below(len - 1);
                let pieces = whole().skip(at).enumerate();
                let pieces = pieces.map(|(n, (sent, bytes))| (sent, if n == 0 { &bytes[cut..] } else { bytes }));
                said.push(look(talk.transport, pieces, false));
            }
            said
        }
    }
}

fn places(talk: &Talk, random: &mut Random) -> impl Iterator<Item = usize> + use<> {
    let count = talk.pieces.len();
    let drawn: Vec<usize> =
        if count <= PLACES_MAX { (0..count).collect() } else { (0..PLACES_MAX).map(|_| random.below(count)).collect() };
    drawn.into_iter()
}

fn look<'a>(transport: Transport, pieces: impl Iterator<Item = (bool, &'a [u8])>, from_start: bool) -> Option<&'static str> {
    let (mut sent, mut received, mut kept) = (vec![], vec![], 0);
    let say = |sent: &[u8], received: &[u8], more| {
        let of = |bytes: &[u8]| bytes[..bytes.len().min(LOOKED_AT_BYTES)].to_vec();
        let (sent, received) = (&of(sent)[..], &of(received)[..]);
        detect(&Looks { transport, sent, received, ports: (None, None), serves: None, from_start }, more)
    };
    for (own, bytes) in pieces {
        let side = if own { &mut sent } else { &mut received };
        side.extend_from_slice(bytes);
        kept += bytes.len();
        match say(&sent, &received, kept <= KEPT_BYTES_MAX) {
            Ok(found) => return Some(found.protocol.name),
            Err(true) if kept <= KEPT_BYTES_MAX => {}
            Err(_) => return None,
        }
    }
    say(&sent, &received, false).ok().filter(|found| found.confidence >= Confidence::Guessed).map(|found| found.protocol.name)
}
