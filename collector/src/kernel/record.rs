//! Views of ring buffer records.

use ebpf_abi::{
    CloseEvent, DataHeader, EndEvent, ExecEvent, ExitEvent, ForkEvent, OwnerEvent, Peer, PlainHeader, PythonHeader,
    RenameEvent, SampleHeader, SocketEvent, flags, kind,
};

/// One record, borrowed from the ring buffer or from a recording.
#[derive(Debug)]
pub enum Record<'a> {
    Data { header: DataHeader, peer: Option<Peer>, bytes: &'a [u8] },
    Plain { header: PlainHeader, bytes: &'a [u8] },
    Socket(SocketEvent),
    Owner(OwnerEvent),
    End(EndEvent),
    Close(CloseEvent),
    Exec(Box<ExecEvent>),
    Fork(ForkEvent),
    Exit(ExitEvent),
    Rename(RenameEvent),
}

/// Types of `ebpf-abi`: every bit pattern is a value.
///
/// # Safety
/// `#[repr(C)]`, integers and arrays of integers only.
unsafe trait Plain: Copy {}
// SAFETY: integers and arrays of integers only.
unsafe impl Plain for DataHeader {}
// SAFETY: as above.
unsafe impl Plain for Peer {}
// SAFETY: as above.
unsafe impl Plain for PlainHeader {}
// SAFETY: as above.
unsafe impl Plain for SocketEvent {}
// SAFETY: as above.
unsafe impl Plain for OwnerEvent {}
// SAFETY: as above.
unsafe impl Plain for EndEvent {}
// SAFETY: as above.
unsafe impl Plain for CloseEvent {}
// SAFETY: as above.
unsafe impl Plain for ExecEvent {}
// SAFETY: as above.
unsafe impl Plain for ForkEvent {}
// SAFETY: as above.
unsafe impl Plain for ExitEvent {}
// SAFETY: as above.
unsafe impl Plain for RenameEvent {}
// SAFETY: as above.
unsafe impl Plain for SampleHeader {}
// SAFETY: as above.
unsafe impl Plain for PythonHeader {}

fn take<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: there are enough bytes, any bytes are a value of a plain type, and the read does not ask for alignment.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// A stack as the kernel program tells it.
#[derive(Debug)]
pub struct Sample<'a> {
    pub header: SampleHeader,
    kernel: &'a [u8],
    user: &'a [u8],
    /// From the stack pointer upwards; empty when the kernel program found the callers itself.
    pub stack: &'a [u8],
}

impl Sample<'_> {
    /// Return addresses in the kernel, leaf first.
    pub fn kernel(&self) -> impl DoubleEndedIterator<Item = u64> {
        words(self.kernel)
    }

    /// Addresses of the program, leaf first; empty where there is a stack.
    pub fn user(&self) -> impl DoubleEndedIterator<Item = u64> {
        words(self.user)
    }

    /// The bytes of both, kernel first.
    pub fn addresses(&self) -> [&[u8]; 2] {
        [self.kernel, self.user]
    }
}

fn words(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word))
}

/// None when the bytes are no sample of this version.
pub fn decode_sample(bytes: &[u8]) -> Option<Sample<'_>> {
    if *bytes.first()? != kind::SAMPLE {
        return None;
    }
    let header: SampleHeader = take(bytes)?;
    let rest = bytes.get(size_of::<SampleHeader>()..)?;
    let (kernel, rest) = rest.split_at_checked((header.kernel_frames as usize).checked_mul(8)?)?;
    let (user, rest) = rest.split_at_checked((header.user_frames as usize).checked_mul(8)?)?;
    Some(Sample { header, kernel, user, stack: rest.get(..header.stack_bytes as usize)? })
}

/// Which Python functions a thread is in: a sample of it follows.
#[derive(Debug)]
pub struct PythonFrames {
    pub header: PythonHeader,
    /// Addresses of code objects, the leaf first; the lowest bit is set in the last one of each call of the interpreter.
    pub codes: Vec<u64>,
}

/// None when the bytes are none of this version.
pub fn decode_python(bytes: &[u8]) -> Option<PythonFrames> {
    if *bytes.first()? != kind::PYTHON {
        return None;
    }
    let header: PythonHeader = take(bytes)?;
    let codes = bytes.get(size_of::<PythonHeader>()..)?.get(..8 * header.frames as usize)?;
    let codes = codes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))).collect();
    Some(PythonFrames { header, codes })
}

/// None when the bytes are no record of this version.
pub fn decode(bytes: &[u8]) -> Option<Record<'_>> {
    Some(match *bytes.first()? {
        kind::DATA => {
            let header: DataHeader = take(bytes)?;
            let mut at = size_of::<DataHeader>();
            let mut peer = None;
            if header.flags & flags::PEER != 0 {
                peer = Some(take(bytes.get(at..)?)?);
                at += size_of::<Peer>();
            }
            let bytes = bytes.get(at..at + header.copied as usize)?;
            Record::Data { header, peer, bytes }
        }
        kind::PLAIN => {
            let header: PlainHeader = take(bytes)?;
            let bytes = bytes.get(size_of::<PlainHeader>()..)?.get(..header.copied as usize)?;
            Record::Plain { header, bytes }
        }
        kind::SOCKET => Record::Socket(take(bytes)?),
        kind::OWNER => Record::Owner(take(bytes)?),
        kind::END => Record::End(take(bytes)?),
        kind::CLOSE => Record::Close(take(bytes)?),
        kind::EXEC => Record::Exec(Box::new(take(bytes)?)),
        kind::FORK => Record::Fork(take(bytes)?),
        kind::EXIT => Record::Exit(take(bytes)?),
        kind::RENAME => Record::Rename(take(bytes)?),
        _ => return None,
    })
}
