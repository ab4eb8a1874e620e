//! Builds again when the page did: a file that is new in the folder is in no list of inputs.

fn main() {
    println!("cargo::rerun-if-changed=../ui/dist");
}
