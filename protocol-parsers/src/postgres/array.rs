//! Binary arrays of one dimension as JSON lists
//! (<https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c>, `array_send`).

use super::message::Reader;
use super::value::{self, oid};

/// Elements of one array that are shown.
const ELEMENTS_MAX: u32 = 1024;

/// The type of the elements of an array type.
fn element(ty: u32) -> Option<u32> {
    Some(match ty {
        1000 => oid::BOOL,
        1001 => oid::BYTEA,
        1005 => oid::INT2,
        1007 => oid::INT4,
        1009 => oid::TEXT,
        1014 => oid::BPCHAR,
        1015 => oid::VARCHAR,
        1016 => oid::INT8,
        1021 => oid::FLOAT4,
        1022 => oid::FLOAT8,
        1028 => oid::OID,
        1115 => oid::TIMESTAMP,
        1182 => oid::DATE,
        1183 => oid::TIME,
        1185 => oid::TIMESTAMPTZ,
        1231 => oid::NUMERIC,
        2951 => oid::UUID,
        199 => oid::JSON,
        3807 => oid::JSONB,
        _ => return None,
    })
}

/// `None` when it is not as its type says, has several dimensions, or is of no known type.
pub fn binary(out: &mut Vec<u8>, bytes: &[u8], ty: u32) -> Option<()> {
    let wanted = element(ty)?;
    let mut reader = Reader(bytes);
    let (dimensions, _has_nulls, of) = (reader.i32()?, reader.i32()?, reader.i32()? as u32);
    if of != wanted || !(0..=1).contains(&dimensions) {
        return None;
    }
    let mut count = 0;
    if dimensions == 1 {
        count = u32::try_from(reader.i32()?).ok().filter(|n| *n <= ELEMENTS_MAX)?;
        let _lower_bound = reader.i32()?;
    }
    out.push(b'[');
    for i in 0..count {
        if i > 0 {
            out.push(b',');
        }
        match usize::try_from(reader.i32()?) {
            Ok(length) => value::binary(out, reader.bytes(length)?, of)?,
            Err(_) => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
    reader.0.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(head: &[i32], elements: &[Option<&[u8]>]) -> Vec<u8> {
        let mut out: Vec<u8> = head.iter().flat_map(|n| n.to_be_bytes()).collect();
        for element in elements {
            out.extend(element.map_or(-1, |e| e.len() as i32).to_be_bytes());
            out.extend_from_slice(element.unwrap_or_default());
        }
        out
    }

    #[track_caller]
    fn check(bytes: &[u8], ty: u32, expect: Option<&str>) {
        let mut out = vec![];
        let got = binary(&mut out, bytes, ty).map(|()| String::from_utf8(out).unwrap());
        assert_eq!(got.as_deref(), expect);
    }

    #[test]
    fn arrays_are_lists() {
        let ints = [Some(1_i32.to_be_bytes()), None, Some((-3_i32).to_be_bytes())];
        let elements: Vec<_> = ints.iter().map(|i| i.as_ref().map(<[u8; 4]>::as_slice)).collect();
        check(&array(&[1, 1, 23, 3, 1], &elements), 1007, Some("[1,null,-3]"));
        check(&array(&[1, 0, 25, 1, 1], &[Some(b"a\"b")]), 1009, Some(r#"["a\"b"]"#));
        check(&array(&[0, 0, 25], &[]), 1009, Some("[]"));
        check(&array(&[2, 0, 23, 1, 1, 1, 1], &elements[..1]), 1007, None);
        check(&array(&[1, 0, 25, 1, 1], &[Some(b"a")]), 1007, None);
        check(&array(&[1, 0, 25, 2, 1], &[Some(b"a")]), 1009, None);
        check(&array(&[1, 0, 25, 1, 1], &[Some(b"a"), None]), 1009, None);
        check(b"\0\0\0\x01", 1009, None);
        check(b"", 25, None);
    }
}
