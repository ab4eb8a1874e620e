//! What an analysis tells: the library that a file holds, and where its functions can be probed.

/// The library whose functions a site belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// OpenSSL 1.1 and 3.x, BoringSSL, LibreSSL: the same names and arguments.
    OpenSsl,
    GnuTls,
    WolfSsl,
    MbedTls,
    Go,
    Rustls,
}

/// What the function does, whatever its library calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Read,
    Write,
    /// The number of bytes comes back through the fourth argument, the result is 1 or 0.
    ReadEx,
    WriteEx,
    /// Reads without consuming: its bytes come again.
    Peek,
    PeekEx,
    Handshake,
    Connect,
    Accept,
    SetFd,
    SetReadFd,
    SetWriteFd,
    SetBio,
    /// GnuTLS: one value for both directions; by default the descriptor itself.
    SetTransport,
    /// GnuTLS: a value for reading, a value for writing.
    SetTransports,
    /// GnuTLS: the descriptors for reading and for writing.
    SetFds,
    /// rustls: a record's plaintext has come, whole; there is no Result. Behind the second argument are three words of 8 bytes:
    /// a capacity or mark, the data's address, its length.
    Received,
    /// rustls: plaintext is given to send. Behind the second argument are four words: 0, address, length; or, when the first is
    /// not 0, the address of a list of (address, length), how many, and from which byte to which of them all. Result: how many
    /// bytes were taken.
    Send,
    /// OpenSSL: plaintext of a record is handed to the program: its address is the second argument, its length the fourth. There
    /// is no Result.
    Opened,
    /// OpenSSL: plaintext goes into a record, or into one of each pipeline: its address is the second argument, the fourth points to
    /// the lengths of its parts, and the result is how many there are. There is no Result.
    Sealed,
    /// OpenSSL: plaintext goes into several records: behind the second argument are three words, of which the second is its
    /// address and the third its length. There is no Result.
    SealedTogether,
    Free,
    Close,
}

/// A general register. `pt_regs_offset` is where the kernel keeps it while a probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Register {
    R15,
    R14,
    R13,
    R12,
    Rbp,
    Rbx,
    R11,
    R10,
    R9,
    R8,
    Rax,
    Rcx,
    Rdx,
    Rsi,
    Rdi,
    Rsp,
}

impl Register {
    /// In bytes, in the x86-64 `struct pt_regs`.
    pub fn pt_regs_offset(self) -> u16 {
        match self {
            // after rdi come orig_ax, ip, cs and flags
            Register::Rsp => 152,
            other => other as u16 * 8,
        }
    }
}

/// Where a value is when the probe fires, before the probed instruction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Register(Register),
    /// Bytes from rsp.
    Stack(i32),
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The call begins: its arguments are known. May fire twice for one call (Go restarts a function after growing its stack):
    /// the second time tells the same.
    Entry,
    /// The call ends: its result is known. The place may be shared with other functions, so that it also fires for their calls:
    /// it belongs to the last Entry of its thread (in Go: goroutine), if that is of the same [`Call`], and else to nothing.
    Result,
}

/// Of a site that always counts.
pub const NO_CONDITIONS: [(Place, u32); 2] = [(Place::Unknown, 0); 2];

/// One place to put a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub kind: Kind,
    pub call: Call,
    pub symbol: String,
    /// In the file, in bytes: what the kernel wants.
    pub offset: u64,
    /// As linked.
    pub address: u64,
    pub moment: Moment,
    /// The kernel emulates the instruction instead of stepping through it: ten times cheaper.
    pub emulated: bool,
    /// Attach as a return probe; `result` is then the place after the return.
    pub uretprobe: bool,
    /// Of an Entry; a 32-bit argument is the low half of its place.
    pub arguments: [Place; 4],
    /// Of a Result; a 32-bit result is the low half of its place.
    pub result: Place,
    /// When known: to be added to `result`.
    pub plus: Place,
    /// When known: the call's result is `result` only if this 32-bit value is above 0, else it is this value.
    pub status: Place,
    /// The site counts only where these 32-bit values are so.
    pub only_if: [(Place, u32); 2],
    /// Why here, and how it is known.
    pub reason: String,
}

/// Where a Go program keeps the descriptor behind a `tls.Conn`: offsets in bytes, each in the structure that the one before leads
/// to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `tls.Conn.conn`, an interface, whose second word points to a `net.TCPConn`.
    pub conn: u8,
    /// `net.TCPConn.conn.fd`, which points to a `net.netFD`.
    pub fd: u8,
    /// `net.netFD.pfd.Sysfd`, the descriptor.
    pub sysfd: u8,
}

/// How sure it is that the functions are what their names say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// Named by the dynamic symbol table, which the loader itself uses.
    Exported,
    /// Named by a symbol table or function table that is for debuggers.
    Symbol,
    /// Without any name: by the errors that they raise, and by what calls what.
    Raised,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    pub kind: Kind,
    /// GNU build id in hexadecimal.
    pub build_id: Option<String>,
    /// As the file tells: 'go1.26.1', 'OPENSSL_3.0.0', 'BoringSSL'.
    pub version: Option<String>,
    pub sites: Vec<Site>,
    /// Functions that are there but cannot be probed, and why.
    pub refused: Vec<(String, String)>,
    /// Functions that need no probe, because they go on in one that has its own: which.
    pub forwarding: Vec<(String, &'static str)>,
    pub confidence: Confidence,
    /// Of a Go program.
    pub layout: Option<Layout>,
}
