//! The Huffman code of HPACK (RFC 7541, appendix B). It is canonical: the lengths of its codes tell the codes.

/// Bits of the code of each octet, and of the end of the string.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
    28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, //
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, //
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, //
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23,
    24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22,
    22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
    27, 27, 27, 26, 30,
];
const LENGTH_MIN: usize = 5;
const LENGTH_MAX: usize = 30;
/// Codes up to this length are looked up at once.
const SHORT: usize = 10;
/// Code of no octet.
const END: u16 = 256;

struct Code {
    /// Of each length: the first code, and the place of its octet in `octets`; codes of a length are consecutive.
    first: [u32; LENGTH_MAX + 1],
    place: [u16; LENGTH_MAX + 1],
    count: [u16; LENGTH_MAX + 1],
    octets: [u16; 257],
    /// By the next bits: octet and length of the code that they begin with; length 0 where it is longer.
    short: [(u8, u8); 1 << SHORT],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code {
        first: [0; LENGTH_MAX + 1],
        place: [0; LENGTH_MAX + 1],
        count: [0; LENGTH_MAX + 1],
        octets: [0; 257],
        short: [(0, 0); 1 << SHORT],
    };
    let (mut next, mut place, mut length) = (0_u32, 0, LENGTH_MIN);
    while length <= LENGTH_MAX {
        code.first[length] = next;
        code.place[length] = place as u16;
        let mut octet = 0;
        while octet < LENGTHS.len() {
            if LENGTHS[octet] as usize == length {
                code.octets[place] = octet as u16;
                place += 1;
                if length <= SHORT {
                    let mut at = (next as usize) << (SHORT - length);
                    let end = at + (1 << (SHORT - length));
                    while at < end {
                        code.short[at] = (octet as u8, length as u8);
                        at += 1;
                    }
                }
                next += 1;
            }
            octet += 1;
        }
        code.count[length] = place as u16 - code.place[length];
        next <<= 1;
        length += 1;
    }
    code
}

/// Appends the decoded text; false when `input` is no such code.
pub fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    // the next bits, from the highest down
    let (mut window, mut bits) = (0_u64, 0_u32);
    let mut input = input.iter();
    loop {
        while bits <= 56
            && let Some(&byte) = input.next()
        {
            window |= u64::from(byte) << (56 - bits);
            bits += 8;
        }
        let (octet, length) = CODE.short[(window >> (64 - SHORT)) as usize];
        let (octet, length) = if length > 0 { (u16::from(octet), u32::from(length)) } else { long(window) };
        if length > bits || octet == END {
            // what is left is the beginning of the end's code, which is all ones, and less than an octet
            return bits < 8 && (window | u64::MAX >> bits) == u64::MAX;
        }
        out.push(octet as u8);
        window <<= length;
        bits -= length;
    }
}

/// Octet and length of a code that is not short.
fn long(window: u64) -> (u16, u32) {
    for length in SHORT + 1..=LENGTH_MAX {
        let nth = ((window >> (64 - length)) as u32).wrapping_sub(CODE.first[length]);
        if nth < u32::from(CODE.count[length]) {
            return (CODE.octets[usize::from(CODE.place[length]) + nth as usize], length as u32);
        }
    }
    (END, LENGTH_MAX as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Option<String> {
        let mut out = vec![];
        decode(input, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    /// RFC 7541, appendix C.4 and C.6.
    #[test]
    fn examples_of_the_rfc() {
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&host).as_deref(), Some("www.example.com"));
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Some("no-cache"));
        assert_eq!(decoded(&[0x64, 0x02]).as_deref(), Some("302"));
        assert_eq!(decoded(&[]).as_deref(), Some(""));
    }

    #[test]
    fn the_code_is_complete() {
        let sum: f64 = LENGTHS.iter().map(|&l| 0.5_f64.powi(i32::from(l))).sum();
        assert_eq!(sum, 1.0);
    }

    #[test]
    fn padding_is_ones_and_short() {
        assert_eq!(decoded(&[0x18]), None, "zeros");
        assert_eq!(decoded(&[0xff]), None, "a whole octet");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "the end itself");
    }
}
