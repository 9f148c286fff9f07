//! Putting a plan on the host, and taking it back.
//!
//! | module | holds |
//! |---|---|
//! | [`permit`] | the leave to write, minted by a confirmation |
//! | [`lock`] | one run at a time |
//! | [`change`] | what is to be changed, as saved plans and the journal keep it |
//! | [`journal`] | the generations |
//! | [`write`] | bringing files and kernel values from one side of a change to the other |
//! | [`run`] | apply, rollback and recover out of those pieces |
//! | [`prepare`] | the plan against the host |
//! | [`rights`] | what this user may change, and what is left out |
//! | [`edits`] | edits by hand that a rollback meets |
//! | [`saved`] | plans kept for later, and whether they are still true |
//! | [`servers`] | the verdict of the servers before, reload and proof after |
//! | [`compare`] | whether two versions of a file say the same |
//! | [`effective`] | where a value really comes from |
//! | [`container`] | a PostgreSQL server in a container |
//! | [`managed`] | what should stand: the sum of the generations |
//! | [`drift`] | what has drifted from it: files, running values, the plan |

pub mod change;
pub mod compare;
pub mod container;
pub mod drift;
pub mod edits;
pub mod effective;
pub mod journal;
pub mod lock;
pub mod managed;
pub mod permit;
pub mod prepare;
pub mod rights;
pub mod run;
pub mod saved;
pub mod servers;
pub mod write;

pub use change::ChangeSet;
pub use journal::Journal;
pub use lock::RunLock;
pub use permit::ApplyPermit;
