//! Records and messages as they are on the wire.

pub const TLS12: u16 = 0x0303;
pub const TLS13: u16 = 0x0304;
pub const AES_128_GCM: u16 = 0x1301;
pub const AES_256_GCM: u16 = 0x1302;
/// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.
pub const ECDHE: u16 = 0xc02f;

/// A record.
pub fn record(kind: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

pub fn message(kind: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

pub fn vector16(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

pub fn extension(kind: u16, data: impl AsRef<[u8]>) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(data)].concat()
}

pub fn server_name(name: &str) -> Vec<u8> {
    extension(0, vector16([&[0][..], &vector16(name)].concat()))
}

/// A value that clients make up.
pub fn grease() -> Vec<u8> {
    extension(0x3a3a, [0])
}

/// A client's hello, as a message.
pub fn client_hello_with(extensions: &[Vec<u8>]) -> Vec<u8> {
    let ciphers = vector16([0x2a, 0x2a, 0x13, 0x01, 0xc0, 0x2f]);
    let fixed = [&[3, 3][..], &[7; 32], &[32], &[9; 32], &ciphers, &[1, 0]].concat();
    message(1, [fixed, vector16(extensions.concat())].concat())
}

/// A client's hello with this name, as a record.
pub fn client_hello(name: &str) -> Vec<u8> {
    record(22, client_hello_with(&[grease(), server_name(name), extension(43, [2, 3, 4])]))
}

/// A server's hello, as a message.
pub fn server_hello_with(version: u16, random: [u8; 32], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&version.to_be_bytes()[..], &random, &[32], &[9; 32], &cipher.to_be_bytes(), &[0]].concat();
    let extensions = if extensions.is_empty() { vec![] } else { vector16(extensions.concat()) };
    message(2, [fixed, extensions].concat())
}

/// A server's hello of TLS 1.2 or earlier, as a message.
pub fn selects(version: u16, cipher: u16, alpn: Option<&str>) -> Vec<u8> {
    let alpn = alpn.map(|name| extension(16, vector16([&[name.len() as u8][..], name.as_bytes()].concat())));
    let extensions: Vec<_> = [extension(0xff01, [0])].into_iter().chain(alpn).collect();
    server_hello_with(version, [5; 32], cipher, &extensions)
}

/// A server's hello of TLS 1.3, as a record.
pub fn selects13(cipher: u16) -> Vec<u8> {
    record(22, server_hello_with(TLS12, [5; 32], cipher, &[extension(43, TLS13.to_be_bytes())]))
}

pub fn retry_request(cipher: u16) -> Vec<u8> {
    let random = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16,
        0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    record(22, server_hello_with(TLS12, random, cipher, &[extension(43, TLS13.to_be_bytes()), extension(51, [0, 24])]))
}

pub fn change_cipher() -> Vec<u8> {
    record(20, [1])
}

pub fn alert(level: u8, description: u8) -> Vec<u8> {
    record(21, [level, description])
}

/// Encrypted: so many bytes.
pub fn data(length: usize) -> Vec<u8> {
    record(23, vec![0xa5; length])
}

/// An encrypted message of TLS 1.2.
pub fn finished() -> Vec<u8> {
    record(22, [0xe7; 40])
}

/// An encrypted Finished of TLS 1.3, with the shorter hash.
pub fn finished13() -> Vec<u8> {
    data(4 + 32 + 1 + 16)
}

/// Certificate of www.example.org by an authority of three parts, until 2027-11-25 21:30:30.
pub const CERTIFICATE: &str = "\
3082013d3081e5020101300a06082a8648ce3d040302303d310b300906035504061302455331153013060355040a0c0c4578616d706c652c20496e63\
3117301506035504030c0e5465737420417574686f72697479301e170d3236313132353231333033305a170d3237313132353231333033305a301a31\
18301606035504030c0f7777772e6578616d706c652e6f72673059301306072a8648ce3d020106082a8648ce3d03010703420004079b2f8eb34fbbcc\
b77689d4906b268a6c1b05f9295931f1a4d0395e6f09e230c406a0eb8a29cd85525f0d8d933963e61bdf08c45f0d1fba3c38860e4f2803dc300a0608\
2a8648ce3d0403020347003044022030a1ec19af019835c90926ef285b2bcce8e32c88a120ba6de87ccfd431feea5e0220027f759bb877631d7dcbfc\
e149f97ee527b9fd539dff695b893453dc89e73226";

pub fn certificate_der() -> Vec<u8> {
    let digit = |d: u8| (d as char).to_digit(16).expect("a digit") as u8;
    CERTIFICATE.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A Certificate message of TLS 1.2.
pub fn certificates(list: &[Vec<u8>]) -> Vec<u8> {
    let vector24 = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat();
    let list: Vec<u8> = list.iter().flat_map(|der| vector24(der)).collect();
    message(11, vector24(&list))
}

/// What a server of TLS 1.2 says after the client's hello, as messages.
pub fn flight12() -> Vec<Vec<u8>> {
    vec![
        selects(TLS12, ECDHE, Some("h2")),
        certificates(&[certificate_der(), vec![1; 900]]),
        message(12, [3; 300]),
        message(14, []),
    ]
}

/// What a client of TLS 1.2 says to that.
pub fn client_flight12() -> Vec<u8> {
    [record(22, message(16, [4; 66])), change_cipher(), finished()].concat()
}

/// What tells the row of `flight12`.
pub const ROW12: &str = "sni=a.example | version=TLSv1.2 | alpn=h2 | cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 | handshake=done | \
                         resumed=false | cert_subject=CN=www.example.org | cert_issuer=CN=Test Authority,O=Example\\, Inc,C=ES | \
                         cert_not_after=1827178230000000000 certain";
pub const ROW13: &str =
    "sni=a.example | version=TLSv1.3 | cipher=TLS_AES_128_GCM_SHA256 | handshake=done | resumed=false certain";
