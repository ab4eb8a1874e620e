//! burn SECONDS: as burn.c, by the methods of a trait.
use std::hint::black_box;

trait Work {
    fn alpha(&self, n: u64) -> u64;
    fn beta(&self, n: u64) -> u64;
}

struct Burner(u64);

mod deep {
    use super::black_box;

    #[inline(never)]
    pub fn spin(n: u64) -> u64 {
        let mut v = n;
        for i in 0..n {
            v = black_box(v.wrapping_mul(6364136223846793005).wrapping_add(i));
        }
        v
    }

    #[inline(never)]
    pub fn inner(n: u64) -> u64 {
        black_box(spin(n)) + 1
    }
}

impl Work for Burner {
    #[inline(never)]
    fn alpha(&self, n: u64) -> u64 {
        black_box(deep::inner(7 * n)) + self.0
    }
    #[inline(never)]
    fn beta(&self, n: u64) -> u64 {
        black_box(deep::spin(3 * n)) + self.0
    }
}

/// Of the only thread.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let work: Box<dyn Work> = black_box(Box::new(Burner(1)));
    let mut r = 1u32;
    while cpu_ns() < (seconds * 1e9) as u64 {
        r = r.wrapping_mul(1103515245).wrapping_add(12345);
        let part = u64::from(40000 + (r >> 8) % 160000);
        black_box(work.alpha(part));
        black_box(work.beta(part));
    }
    println!("pid {}\ncpu {}", std::process::id(), cpu_ns());
}
