//! Many instructions of a file probed at once: links of the kind BPF_TRACE_UPROBE_MULTI (Linux 6.6), which aya does not have.
//!
//! In: the object, its maps as aya made them, and one of its programs as aya loaded it. Out: programs of that kind, and a link a
//! call. Chooses no place to probe.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use aya_obj::{Function, Object};

use super::capture::chain;

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_BTF_GET_FD_BY_ID: libc::c_int = 19;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_TRACE_UPROBE_SESSION: u32 = 57;
const BPF_F_UPROBE_MULTI_RETURN: u32 = 1;
const PROGRAM_NAME_BYTES: usize = 16;

/// The part of `union bpf_attr` that loads a program, up to what is used.
#[repr(C)]
#[derive(Default)]
struct LoadRequest {
    kind: u32,
    instructions: u32,
    instructions_at: u64,
    license_at: u64,
    log_level: u32,
    log_bytes: u32,
    log_at: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; PROGRAM_NAME_BYTES],
    interface: u32,
    attach_type: u32,
    btf: u32,
    function_info_bytes: u32,
    function_info_at: u64,
    function_infos: u32,
    line_info_bytes: u32,
    line_info_at: u64,
    line_infos: u32,
    _pad: u32,
}

/// The part that makes a link of this kind.
#[repr(C)]
#[derive(Default)]
struct LinkRequest {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    path_at: u64,
    offsets_at: u64,
    reference_counters_at: u64,
    cookies_at: u64,
    count: u32,
    multi_flags: u32,
    /// 0 is every process.
    pid: u32,
    _pad: u32,
}

/// An instruction to be probed, and what its runs are told by.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub offset: u64,
    pub cookie: u64,
}

/// When a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// At the instruction.
    Passes,
    /// When the function returns whose return address is on top of the stack there.
    Returns,
    /// At the instruction, and when the function returns if the program asked for that (Linux 6.13).
    Session,
}

impl Form {
    fn attach_type(self) -> u32 {
        if self == Form::Session { BPF_TRACE_UPROBE_SESSION } else { BPF_TRACE_UPROBE_MULTI }
    }
}

/// While it is held its instructions are probed.
#[derive(Debug)]
pub struct Link {
    _held: OwnedFd,
}

/// A program that can be attached to many places at once.
pub struct Program {
    fd: OwnedFd,
    form: Form,
}

/// Loads these programs. `loaded` is a program that aya loaded from the same
/// object. The error says why the kernel has none of it.
pub fn load<const N: usize>(
    object: &[u8],
    ebpf: &Ebpf,
    loaded: &str,
    wanted: [(&str, Form); N],
) -> Result<[Program; N], String> {
    let types = types_of(ebpf, loaded)?;
    let mut object = Object::parse(object).map_err(|e| chain(&e))?;
    let text: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let maps: Vec<(String, aya_obj::Map)> = object.maps.drain().collect();
    let placed: Vec<(&str, RawFd, &aya_obj::Map)> =
        maps.iter().filter_map(|(name, map)| Some((name.as_str(), descriptor(ebpf.map(name)?)?, map))).collect();
    object.relocate_maps(placed.into_iter(), &text).map_err(|e| chain(&e))?;
    object.relocate_calls(&text).map_err(|e| chain(&e))?;
    let mut programs = vec![];
    for (name, form) in wanted {
        let program = object.programs.get(name).ok_or_else(|| format!("no program {name} in the object"))?;
        let function = object.functions.get(&program.function_key()).ok_or_else(|| format!("{name} has no code"))?;
        let fd = load_one(name, form, function, &types).map_err(|e| format!("cannot load {name}: {e}"))?;
        programs.push(Program { fd, form });
    }
    programs.try_into().map_err(|_| "not every program was loaded".to_owned())
}

/// The object's types as aya gave them to the kernel.
fn types_of(ebpf: &Ebpf, loaded: &str) -> Result<OwnedFd, String> {
    let program = ebpf.program(loaded).ok_or_else(|| format!("no program {loaded} in the object"))?;
    let id = program.info().map_err(|e| chain(&e))?.btf_id().ok_or("the kernel has no types of the programs")?;
    let request = [id, 0, 0, 0];
    call(BPF_BTF_GET_FD_BY_ID, &request).map_err(|e| format!("cannot get the programs' types: {e}"))
}

/// The kinds of maps that the object has.
fn descriptor(map: &Map) -> Option<RawFd> {
    let of = |data: &MapData| data.fd().as_fd().as_raw_fd();
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::RingBuf(data)
        | Map::SkStorage(data)
        | Map::Unsupported(data) => Some(of(data)),
        _ => None,
    }
}

fn load_one(name: &str, form: Form, function: &Function, types: &OwnedFd) -> io::Result<OwnedFd> {
    let (functions, lines) = (function.func_info.func_info_bytes(), function.line_info.line_info_bytes());
    let mut short = [0; PROGRAM_NAME_BYTES];
    for (to, from) in short.iter_mut().take(PROGRAM_NAME_BYTES - 1).zip(name.bytes()) {
        *to = from;
    }
    let request = LoadRequest {
        kind: BPF_PROG_TYPE_KPROBE,
        instructions: function.instructions.len() as u32,
        instructions_at: function.instructions.as_ptr() as u64,
        license_at: c"Dual MIT/GPL".as_ptr() as u64,
        name: short,
        attach_type: form.attach_type(),
        btf: types.as_raw_fd() as u32,
        function_info_bytes: function.func_info_rec_size as u32,
        function_info_at: functions.as_ptr() as u64,
        function_infos: function.func_info.len() as u32,
        line_info_bytes: function.line_info_rec_size as u32,
        line_info_at: lines.as_ptr() as u64,
        line_infos: function.line_info.len() as u32,
        ..Default::default()
    };
    call(BPF_PROG_LOAD, &request)
}

impl Program {
    /// Probes all of these instructions of the file, or none of them: in every process, or in one.
    pub fn attach(&self, file: &File, spots: &[Spot], pid: Option<u32>) -> io::Result<Link> {
        // the file itself, whatever its name is by now, in whatever mount namespace
        let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let offsets: Vec<u64> = spots.iter().map(|s| s.offset).collect();
        let cookies: Vec<u64> = spots.iter().map(|s| s.cookie).collect();
        let request = LinkRequest {
            program: self.fd.as_raw_fd() as u32,
            attach_type: self.form.attach_type(),
            path_at: path.as_ptr() as u64,
            offsets_at: offsets.as_ptr() as u64,
            cookies_at: cookies.as_ptr() as u64,
            count: spots.len() as u32,
            multi_flags: if self.form == Form::Returns { BPF_F_UPROBE_MULTI_RETURN } else { 0 },
            pid: pid.unwrap_or(0),
            ..Default::default()
        };
        call(BPF_LINK_CREATE, &request).map(|fd| Link { _held: fd })
    }
}

/// A bpf(2) that gives a descriptor.
fn call<T>(command: libc::c_int, request: &T) -> io::Result<OwnedFd> {
    // SAFETY: the request says how large it is, and it and all that it points to live through the call, which only reads them.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(request), size_of::<T>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}
