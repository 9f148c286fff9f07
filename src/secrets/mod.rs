//! Secrets: made, kept, rotated everywhere at once, and proved by a login before a rotation is final.
//!
//! | module | holds |
//! |---|---|
//! | [`generate`] | random values by their marker, from the system's source |
//! | [`verifier`] | SCRAM-SHA-256 verifiers, computed here so that PostgreSQL and PgBouncer get the same bytes |
//! | [`backup`] | what secrets were before each rotation, sealed |
//! | [`catalogue`] | which names are secrets, of what kind, and what `[secrets]` of llmsql.toml says about them |
//! | [`env`] | the env file, and what is wrong with how it stands there |
//! | [`init`] | the first env file, from the template |
//! | [`input`] | a secret from a file, stdin, a systemd credential or a prompt |
//! | [`pending`] | what a rotation is about to do, written down first |
//! | [`plan`] | what a rotation or a restore is to change |
//! | [`pooler`] | PgBouncer: its file, its userlist, where it listens, and having it read them anew |
//! | [`record`] | when each was changed, in the state |
//! | [`roles`] | verifiers in the server, and logins that prove them |
//! | [`rotate`] | the state machine: pending, set, test, finish |
//! | [`recover`] | what an interrupted one has left, finished or undone |
//! | [`sealed`] | secrets on disk |
//! | [`services`] | reload commands, and processes that hold old values |
//! | [`status`] | names, ages, uses, what is due and what is weak |
//! | [`verify`] | every secret tried everywhere it should work |
//! | [`apikey`] | API keys by tier, kept as keyed hashes, and nginx's map of whole keys |
//! | [`url`] | a password within a URL |
//! | [`token`] | JSON Web Tokens, signed and checked with the keys of the env file |
//!
//! No value is ever an argument, in a child's environment, a log, an error or `Debug`.

pub mod apikey;
pub mod backup;
pub mod catalogue;
pub mod env;
pub mod generate;
pub mod init;
pub mod input;
pub mod pending;
pub mod plan;
pub mod pooler;
pub mod record;
pub mod recover;
pub mod roles;
pub mod rotate;
pub mod sealed;
pub mod services;
pub mod status;
pub mod token;
pub mod url;
pub mod verifier;
pub mod verify;

/// The guide's env file (5.4), with a `<generate…>` marker for each secret.
pub const TEMPLATE: &str = include_str!("../../templates/secrets/env.example");
