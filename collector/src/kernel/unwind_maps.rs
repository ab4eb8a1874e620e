//! The maps by which the kernel program unwinds: written here, read there.

use aya::maps::{Array, HashMap, MapData};
use aya::{Ebpf, Pod};
use ebpf_abi::{PageKey, PageRows, PartKey, ProcessPart, UnwindRule};

macro_rules! pods {
    ($($pod:ident($of:ty)),* $(,)?) => {
        $(
            #[derive(Clone, Copy)]
            #[repr(transparent)]
            struct $pod($of);
            // SAFETY: integers only, and no padding.
            unsafe impl Pod for $pod {}
        )*
    };
}

pods!(PodPartKey(PartKey), PodPart(ProcessPart), PodPageKey(PageKey), PodPage(PageRows), PodRule(UnwindRule));

/// The kernel keeps some memory in reserve for such maps and adds to it in the background.
const TRIES: usize = 8;

pub struct UnwindMaps {
    processes: HashMap<MapData, PodPartKey, PodPart>,
    pages: HashMap<MapData, PodPageKey, PodPage>,
    rules: Array<MapData, PodRule>,
}

fn put<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>, key: K, value: V) -> bool {
    (0..TRIES).any(|_| map.insert(key, value, 0).is_ok())
}

/// All return false when there is no room.
impl UnwindMaps {
    const NAMES: [&str; 3] = ["UNWIND_PROCESSES", "UNWIND_PAGES", "UNWIND_RULES"];
    /// Of no use without a profiler.
    pub(super) const ALL: [&str; 4] = [Self::NAMES[0], Self::NAMES[1], Self::NAMES[2], "UNWIND_PLACES"];

    pub(super) fn take(ebpf: &mut Ebpf) -> Option<Self> {
        let [processes, pages, rules] = Self::NAMES.map(|name| ebpf.take_map(name));
        Some(Self {
            processes: HashMap::try_from(processes?).ok()?,
            pages: HashMap::try_from(pages?).ok()?,
            rules: Array::try_from(rules?).ok()?,
        })
    }

    pub fn put_part(&mut self, key: PartKey, part: &ProcessPart) -> bool {
        put(&mut self.processes, PodPartKey(key), PodPart(*part))
    }

    pub fn put_page(&mut self, key: PageKey, rows: &PageRows) -> bool {
        put(&mut self.pages, PodPageKey(key), PodPage(*rows))
    }

    pub fn put_rule(&mut self, number: u16, rule: UnwindRule) -> bool {
        self.rules.set(number.into(), PodRule(rule), 0).is_ok()
    }

    // what is not there needs no removal

    pub fn remove_part(&mut self, key: PartKey) {
        let _ = self.processes.remove(&PodPartKey(key));
    }

    pub fn remove_page(&mut self, key: PageKey) {
        let _ = self.pages.remove(&PodPageKey(key));
    }
}
