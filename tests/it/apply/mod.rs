//! Changing a host: difference, apply, rollback, recover, history, status.

mod crash;
mod files;
mod refusals;
mod restart;
mod stack;
mod status;
mod targets;
pub mod tree;
