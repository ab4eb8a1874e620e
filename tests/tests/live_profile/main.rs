//! Where programs spend their time, of programs that are known to spend it: every stack is the truth, and shares are as likely as
//! the number of samples allows.

mod compiled;
mod faults;
mod heap;
mod programs;
mod runtimes;
mod shapes;
mod stacks;
mod waits;
