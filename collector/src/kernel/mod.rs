//! Everything that touches the kernel: loading and attaching the programs, their ring buffers and maps.
//!
//! The only folder of the collector with `unsafe`. In: settings. Out: [`Capture`], whose rings give raw records of
//! `ebpf-abi`, and what became of each probe. Beside that, what replay asks of the kernel: [`MappedFile`].

#![expect(unsafe_code, reason = "system calls and views of ring buffer records")]

mod btf;
mod capture;
mod clock;
mod heap;
mod mapped_file;
mod mappings;
mod multi;
mod offsets;
mod privileges;
mod record;
mod samples;
mod unwind_maps;
mod uprobes;

pub use capture::{Capture, Policies, ProbeState, Pythons, Ring, Standing, StartError};
pub use clock::{Clock, boottime_minus_monotonic_ns, monotonic_ns, thread_cpu_ns};
pub use heap::{HeapProbe, HeapProbes};
pub use mapped_file::MappedFile;
pub use mappings::{Mapped, Mappings};
pub use privileges::{can_read_kernel, give_way, missing_privileges, prefer_this_thread, raise_limits, release_memory};
pub use record::{PythonFrames, Record, Sample, decode, decode_python, decode_sample};
pub use samples::{PROFILE_HZ_MAX, Wanted as WantedSamples, period_ns};
pub use unwind_maps::UnwindMaps;
pub use uprobes::{Attached, Probe, ProbesId, Run};
