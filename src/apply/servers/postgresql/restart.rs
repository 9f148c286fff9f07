//! Restart, for the settings that a reload does not reach.

use super::values::pending;
use super::{Console, PATIENCE, Running, Server, Wishes, process};
use crate::apply::effective::{self, Overlay};
use crate::apply::servers::Scratch;
use crate::apply::write::{self, Notes};
use crate::error::{Error, Result};
use crate::facts::sysctl_path;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

impl Server {
    /// Restarts it and proves that it came back with what was planned.
    pub(super) fn restarted(
        &self,
        waiting: &[String],
        wishes: &Wishes,
        length: u64,
        verify: impl Fn(&Console, &Server) -> Result<()>,
    ) -> Result<Notes> {
        let now = self.restart(length)?;
        let console = now.connect(wishes).map_err(|e| now.dead(&e.to_string(), length))?;
        verify(&console, &now)?;
        Ok(vec![format!("{} was restarted for {}", self.name(), waiting.join(", "))])
    }

    /// Restarts it where an earlier change waits for that; no file is changed.
    ///
    /// # Errors
    /// It cannot be asked, or does not come back.
    pub fn restart_pending(&self, wishes: &Wishes) -> Result<Notes> {
        if !self.ran() {
            return Ok(vec![format!("{} does not run", self.name())]);
        }
        let waiting = pending(&self.connect(wishes)?)?;
        if waiting.is_empty() {
            return Ok(Notes::new());
        }
        self.restarted(&waiting, wishes, self.log_length(), |console, now| now.huge_pages(console))
    }

    /// As its unit where systemd started it, as its container, else with its own pg_ctl and the options it was started
    /// with. Returns the server as it runs then.
    pub(super) fn restart(&self, length: u64) -> Result<Server> {
        match (&self.container, &self.running) {
            (Some(container), _) => container.restart().map_err(|e| self.dead(&e.to_string(), length))?,
            (None, Some(running)) => match &running.unit {
                Some(unit) => self.systemctl(unit, length)?,
                None => self.pg_ctl(running, length)?,
            },
            (None, None) => {}
        }
        let up = process::wait_for(PATIENCE, || match self.now() {
            Ok(Some(now)) if now.container.is_none() || now.connect(&Wishes::default()).is_ok() => Some(now),
            _ => None,
        });
        up.ok_or_else(|| self.dead("it does not come back", length))
    }

    fn pg_ctl(&self, running: &Running, length: u64) -> Result<()> {
        let (Some(program), Some(data)) = (&self.program, &self.data) else {
            return Err(self.dead("its program is not known", length));
        };
        let scratch = Scratch::new(Some((running.uid, running.gid)))?;
        // Where a collector keeps the log, what a server says before that runs goes here.
        let early = scratch.path().join("early");
        let place = match (&running.log, self.log()) {
            (Some(log), _) => log.clone(),
            (None, Some(_)) => early.clone(),
            (None, None) if running.silent => PathBuf::from("/dev/null"),
            (None, None) => {
                return Err(Error::failed("apply.restart", "another program reads its log, and so has to restart it")
                    .at(self.name())
                    .next(format!(
                        "restart it by what started it; {} without --restart changes the files",
                        self.root.command("apply")
                    )));
            }
        };
        // Opened here, since the server's own user may not be let in where whoever started it has put its log.
        let failed = |e| Error::failed("apply.restart", "its log cannot be opened").at(place.display()).because(e);
        let log = OpenOptions::new().create(true).append(true).open(&place).map_err(failed)?;
        let mut command = running.command(&program.with_file_name("pg_ctl"));
        command.args(["restart", "-s", "-w", "-m", "fast", "-t", "120", "-D"]).arg(data).current_dir(&running.cwd);
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        if self.ended(process::status(&mut command, PATIENCE * 6))? {
            return Ok(());
        }
        let words = std::fs::read_to_string(&early).unwrap_or_default();
        let words = words.trim().replace('\n', "\n  ");
        let said = if words.is_empty() { String::new() } else { format!(":\n  {words}\n  ") };
        Err(self.dead(&format!("it does not start again{said}"), length))
    }

    fn systemctl(&self, unit: &str, length: u64) -> Result<()> {
        let mut command = process::command(Path::new("systemctl"), None);
        command.args(["restart", unit]).stdout(Stdio::null()).stderr(Stdio::null());
        if self.ended(process::status(&mut command, PATIENCE * 6))? {
            return Ok(());
        }
        Err(self.dead(&format!("it does not start again (journalctl -u {unit} says why)"), length))
    }

    fn ended(&self, status: std::io::Result<ExitStatus>) -> Result<bool> {
        status
            .map(|status| status.success())
            .map_err(|e| Error::failed("apply.restart", "cannot be restarted").at(self.name()).because(e))
    }

    /// A server that asked for huge pages, could not have them and took ordinary ones has not said so anywhere else.
    pub(super) fn huge_pages(&self, console: &Console) -> Result<()> {
        if !self.wants_huge_pages() || console.value("SHOW huge_pages")? == "off" {
            return Ok(());
        }
        let (has, said) = if self.major >= 17 {
            let status = console.value("SHOW huge_pages_status")?;
            (status == "on", format!("huge_pages_status = {status}"))
        } else {
            let kb = self.running.as_ref().and_then(Running::huge_pages_kb);
            (kb != Some(0), "its process holds none".to_owned())
        };
        if has {
            return Ok(());
        }
        Err(Error::failed(
            "apply.huge_pages",
            format!("it fell back to ordinary pages, without a word in its log ({said})"),
        )
        .at(self.name())
        .next("see how many there are (grep Huge /proc/meminfo); after a reboot memory is not yet fragmented"))
    }

    /// Whether this host keeps a pool of huge pages, or shall.
    fn wants_huge_pages(&self) -> bool {
        let some = |value: &str| value.trim().parse::<u64>().is_ok_and(|n| n > 0);
        let files = effective::sysctl(&Overlay::new(&self.root, []));
        let running = write::kernel_value(&self.root, &sysctl_path("vm.nr_hugepages"));
        files.get("vm.nr_hugepages").is_some_and(|placed| some(&placed.value)) || running.is_some_and(|now| some(&now))
    }
}
