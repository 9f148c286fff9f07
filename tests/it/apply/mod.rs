//! Changing a host: difference, apply, rollback, recover, history, status.

mod crash;
mod edits;
mod files;
mod queues;
mod refusals;
mod restart;
mod rights;
mod stack;
mod status;
mod targets;
pub mod tree;
