//! Putting a plan on the host, and taking it back.
//!
//! | module | holds |
//! |---|---|
//! | [`permit`] | the leave to write, minted by a confirmation |
//! | [`lock`] | one run at a time |

pub mod lock;
pub mod permit;

pub use lock::RunLock;
pub use permit::ApplyPermit;
