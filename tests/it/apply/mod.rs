//! Changing a host: difference, apply, rollback, recover, history, status.

mod crash;
mod files;
mod stack;
pub mod tree;
