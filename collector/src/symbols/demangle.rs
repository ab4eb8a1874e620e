//! Names as their authors wrote them: Rust without hashes, C++ without parameters; all others as they are.

use symbolic_common::{Language, Name, NameMangling};
use symbolic_demangle::{Demangle, DemangleOptions};

/// Longer results are cut.
const NAME_CHARS_MAX: usize = 1024;

/// The name of a table of symbols: of `read@GLIBC_2.2.5` the version is dropped.
pub fn function(name: &str) -> String {
    let version = |rest: &str| rest.starts_with(|c: char| c == '@' || c.is_ascii_uppercase());
    readable(name.split_once('@').filter(|(stem, rest)| !stem.is_empty() && version(rest)).map_or(name, |(stem, _)| stem))
}

/// Holds no `;` and no control characters: `;` separates the names of a folded stack.
pub fn readable(name: &str) -> String {
    let name = without_module(name);
    let plain = if mangled(name) { demangled(name) } else { None };
    one_line(plain.as_deref().unwrap_or(name))
}

pub fn one_line(text: &str) -> String {
    let safe = |c: char| if c == ';' || c.is_control() { ',' } else { c };
    text.chars().take(NAME_CHARS_MAX).map(safe).collect()
}

/// Everything else is left alone: names of C and Go may look like something of another language.
fn mangled(name: &str) -> bool {
    ["_Z", "_R", "__Z"].iter().any(|start| name.starts_with(start))
}

/// LLVM appends the number of a module to what it makes visible in others: it says nothing.
fn without_module(name: &str) -> &str {
    name.split_once(".llvm.").filter(|(stem, _)| !stem.is_empty()).map_or(name, |(stem, _)| stem)
}

/// Compilers append what hides the name from the demangler, as `.cold`: it is kept.
fn demangled(name: &str) -> Option<String> {
    let clear = |name: &str| Name::new(name, NameMangling::Mangled, Language::Unknown).demangle(DemangleOptions::name_only());
    clear(name).or_else(|| {
        let (stem, suffix) = name.split_once('.')?;
        clear(stem).map(|clear| format!("{clear}.{suffix}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mangled_names_become_readable() {
        for (name, expected) in [
            ("_ZN5outer3BoxImE4spinEm", "outer::Box<unsigned long>::spin"),
            ("_ZN3foo3barEv", "foo::bar"),
            ("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place"),
            ("_ZN4deep4spin17h0123456789abcdefE.llvm.123", "deep::spin"),
            (
                "_ZN43_$LT$a..Burner$u20$as$u20$a..deep..Work$GT$5alpha17h0123456789abcdefE",
                "<a::Burner as a::deep::Work>::alpha",
            ),
            ("_RNvCs4fqI2P2rA04_7mycrate3foo", "mycrate::foo"),
            ("main.(*T).f", "main.(*T).f"),
            ("spin.constprop.0", "spin.constprop.0"),
            ("spin.llvm.123", "spin"),
            (".llvm.123", ".llvm.123"),
            ("_Zbad", "_Zbad"),
            ("_start", "_start"),
            ("two;names\n", "two,names,"),
        ] {
            assert_eq!(readable(name), expected, "{name}");
        }
    }

    #[test]
    fn versions_are_no_part_of_a_name() {
        assert_eq!(function("read@GLIBC_2.2.5"), "read");
        assert_eq!(function("_ZN3foo3barEv@@V1"), "foo::bar");
        assert_eq!(function("main.f@x"), "main.f@x");
        assert_eq!(function("@V1"), "@V1");
    }

    #[test]
    fn parts_of_functions_keep_their_function() {
        assert!(readable("_ZN3foo3barEv.cold").starts_with("foo::bar"), "{}", readable("_ZN3foo3barEv.cold"));
        assert!(readable("_ZN3foo3barEv.constprop.0").starts_with("foo::bar"));
    }

    #[test]
    fn endless_names_are_cut() {
        assert_eq!(readable(&"x".repeat(100_000)).len(), NAME_CHARS_MAX);
        let _ = readable(&format!("_Z{}", "P".repeat(100_000)));
    }
}
