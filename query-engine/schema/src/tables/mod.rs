//! The tables that are not a protocol's, one file each.

mod budget_steps;
mod capture_totals;
mod connections;
mod lost_events;
mod probe_status;
mod process_stats;
mod processes;
mod stack_samples;
mod stacks;

pub use budget_steps::BudgetStep;
pub use capture_totals::CaptureTotal;
pub use connections::Connection;
pub use lost_events::LostEvent;
pub use probe_status::ProbeStatus;
pub use process_stats::ProcessStat;
pub use processes::Process;
pub use stack_samples::StackSample;
pub use stacks::Stack;

use crate::Table;

/// All of them, in the order in which the catalogue lists them.
pub const ALL: &[&Table] = &[
    Connection::TABLE,
    Process::TABLE,
    ProcessStat::TABLE,
    StackSample::TABLE,
    Stack::TABLE,
    ProbeStatus::TABLE,
    LostEvent::TABLE,
    CaptureTotal::TABLE,
    BudgetStep::TABLE,
];
