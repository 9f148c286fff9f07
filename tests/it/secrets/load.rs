//! Clients that log in all the time through PgBouncer while a password is rotated again and again: how many logins fail,
//! and when. CI rotates a few times, LLMSQL_EXTENDED=1 a hundred.

use super::stack::{Stack, logs_in};
use crate::support::faults::extended;
use crate::support::wait_for;
use llmsql::formats::dotenv;
use secrecy::ExposeSecret;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

const CLIENTS: usize = 3;

/// What the kernel's clock for a file's times may lag behind: one of its ticks.
const TICK: Duration = Duration::from_millis(10);

/// The reload command: services read a copy of the env file that takes the old one's place.
const RELOAD: &str = "reload = [\"cp .env service.new && mv service.new service.env\"]";

/// A login that failed: when the service read its password, and when the answer came.
type Failure = (SystemTime, SystemTime);

/// One rotation as its clients could see it.
struct Rotation {
    reloaded: SystemTime,
    window: Option<Duration>,
}

fn rotations() -> usize {
    if extended() { 100 } else { 5 }
}

/// One login of a service with what it has read.
fn login(port: u16, env: &Path) -> bool {
    let document = dotenv::Document::parse(&fs::read(env).expect("the service's copy"));
    let get = |name: &str| document.get(name).expect("a value").expose_secret().to_owned();
    logs_in(port, &get("APP_USER"), &get("APP_PASSWORD"))
}

/// Rotates under load; the rotations, the failed logins and how many there were.
fn under_load(stack: &Stack) -> (Vec<Rotation>, Vec<Failure>, usize) {
    let service = stack.path("service.env");
    fs::copy(stack.path(".env"), &service).expect("a copy");
    let port = stack.bouncer.as_ref().expect("a PgBouncer").port();
    let stop = AtomicBool::new(false);
    let counts: Vec<AtomicUsize> = (0..CLIENTS).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = counts
            .iter()
            .map(|count| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let read = SystemTime::now();
                        if !login(port, &service) {
                            failures.push((read, SystemTime::now()));
                        }
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    failures
                })
            })
            .collect();
        // Whoever read an older password has logged in with it: the old role may take its turn again.
        let moved = || {
            let seen: Vec<usize> = counts.iter().map(|c| c.load(Ordering::SeqCst)).collect();
            wait_for("every service to log in anew", || {
                counts.iter().zip(&seen).all(|(c, seen)| c.load(Ordering::SeqCst) > seen + 1).then_some(())
            });
        };
        let work = || {
            let mut rotations = Vec::new();
            for _ in 0..self::rotations() {
                moved();
                let done = stack.rotate(&["APP_PASSWORD", "--format", "json"]).success().json();
                // When it took its place, which is later than when it was written.
                let file = fs::metadata(&service).expect("the service's copy");
                let nanoseconds = u32::try_from(file.ctime_nsec()).expect("nanoseconds");
                let since = Duration::new(u64::try_from(file.ctime()).expect("seconds"), nanoseconds);
                let reloaded = SystemTime::UNIX_EPOCH + since;
                rotations.push(Rotation { reloaded, window: done["window_ms"].as_u64().map(Duration::from_millis) });
            }
            moved();
            rotations
        };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::SeqCst);
        let failures = clients.into_iter().flat_map(|c| c.join().expect("a client")).collect();
        let rotations = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (rotations, failures, counts.iter().map(|c| c.load(Ordering::SeqCst)).sum())
    })
}

#[test]
fn two_roles_rotate_without_one_failed_login() {
    let stack = Stack::alternating();
    stack.configure(RELOAD, "databases = [\"shop\"]\nalternate = [\"app\", \"app_b\"]");
    // The second role gets its first password.
    stack.rotate(&["APP_PASSWORD"]).success();
    let (rotations, failures, logins) = under_load(&stack);
    println!("alternate: {} rotations under {logins} logins, {} failed", rotations.len(), failures.len());
    assert!(failures.is_empty(), "{failures:?}");
    assert!(rotations.iter().all(|r| r.window.is_none()), "no window is stated where there is none");
    assert!(logins > rotations.len() * CLIENTS);
    stack.agrees();
}

#[test]
fn one_role_fails_within_the_stated_window_only() {
    let stack = Stack::new();
    stack.configure(RELOAD, "databases = [\"shop\"]");
    let (rotations, failures, logins) = under_load(&stack);
    let mut windows: Vec<Duration> = rotations.iter().map(|r| r.window.expect("a window")).collect();
    windows.sort();
    println!(
        "single: {} rotations under {logins} logins, {} failed; window: median {:?}, longest {:?}",
        rotations.len(),
        failures.len(),
        windows[windows.len() / 2],
        windows[windows.len() - 1]
    );
    for (read, answered) in failures {
        let inside = rotations.iter().any(|r| {
            let begin = r.reloaded - r.window.expect("a window") - TICK;
            // A service that has read the old password before the reload may still be on its way with it.
            read <= r.reloaded + TICK && answered >= begin
        });
        let off = |at: SystemTime| at.duration_since(rotations[0].reloaded).map_or(-1.0, |d| d.as_secs_f64());
        let reloads: Vec<f64> = rotations.iter().map(|r| off(r.reloaded)).collect();
        assert!(inside, "a login failed outside of every window: {} to {} s; {reloads:?}", off(read), off(answered));
    }
    stack.agrees();
}
