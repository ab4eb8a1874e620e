//! Messages, written the long way round.

/// A message: type, length, body.
pub fn message(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[tag], (body.len() as u32 + 4).to_be_bytes().as_slice(), body].concat()
}

fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|t| [t.as_bytes(), b"\0"].concat()).collect()
}

// ---- from the client

pub fn login(user: &str, database: &str) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    body.extend(strings(&["user", user, "database", database, ""]));
    [(body.len() as u32 + 4).to_be_bytes().as_slice(), &body].concat()
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', strings(&[text]))
}

pub fn parse(name: &str, text: &str, types: &[u32]) -> Vec<u8> {
    let mut body = strings(&[name, text]);
    body.extend((types.len() as u16).to_be_bytes());
    body.extend(types.iter().flat_map(|t| t.to_be_bytes()));
    message(b'P', body)
}

/// Parameters in one format: 0 text, 1 binary.
pub fn bind(portal: &str, statement: &str, format: u16, values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend([1_u16, format, values.len() as u16].iter().flat_map(|n| n.to_be_bytes()));
    for value in values {
        body.extend(value.map_or(-1, |v| v.len() as i32).to_be_bytes());
        body.extend_from_slice(value.unwrap_or_default());
    }
    body.extend([0, 0]);
    message(b'B', body)
}

pub fn execute(portal: &str) -> Vec<u8> {
    message(b'E', [strings(&[portal]).as_slice(), &[0; 4]].concat())
}

pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', [&[kind], strings(&[name]).as_slice()].concat())
}

pub fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', [&[kind], strings(&[name]).as_slice()].concat())
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// Parse, Bind, Describe, Execute and Sync of an unnamed statement.
pub fn all(text: &str, values: &[Option<&[u8]>]) -> Vec<u8> {
    [parse("", text, &[]), bind("", "", 0, values), describe(b'P', ""), execute(""), sync()].concat()
}

// ---- from the server

pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

pub fn tag(text: &str) -> Vec<u8> {
    message(b'C', strings(&[text]))
}

pub fn done(text: &str) -> Vec<u8> {
    [tag(text), ready()].concat()
}

pub fn error(code: &str, text: &str) -> Vec<u8> {
    let fields = strings(&["SERROR", "VERROR", &format!("C{code}"), &format!("M{text}"), ""]);
    message(b'E', fields)
}

pub fn row(value: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend((value.len() as u32).to_be_bytes());
    body.extend_from_slice(value.as_bytes());
    message(b'D', body)
}

pub fn columns() -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(strings(&["c"]));
    body.extend([0; 18]);
    message(b'T', body)
}

/// ParseComplete, BindComplete, row description, so many rows, and a tag.
pub fn all_done(rows: usize) -> Vec<u8> {
    let head = [message(b'1', b""), message(b'2', b""), columns()].concat();
    [head, row("x").repeat(rows), done(&format!("SELECT {rows}"))].concat()
}
