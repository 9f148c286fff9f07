//! Container, virtual machine and init system.

use super::Container;
use super::read::Host;

/// What contains this host, as far as files tell. The cgroup is filled in elsewhere.
pub(super) fn collect(host: &Host) -> Container {
    Container {
        kind: kind(host),
        virtualization: virtualization(host),
        systemd: systemd(host),
        sysctl_writable: sysctl_writable(host),
        ..Container::default()
    }
}

fn kind(host: &Host) -> Option<String> {
    let release = host.line("/proc/sys/kernel/osrelease").or_else(|| host.line("/proc/version")).unwrap_or_default();
    let named = |kind: &str| Some(kind.to_owned());
    if release.to_ascii_lowercase().contains("microsoft") {
        return named("wsl");
    }
    if host.root.exists("/var/run/secrets/kubernetes.io/serviceaccount") {
        return named("kubernetes");
    }
    if host.root.exists("/run/.containerenv") {
        return named("podman");
    }
    // Container managers leave their name in the environment of the first process, or in a file made from it.
    let environment = host.text("/proc/1/environ").unwrap_or_default();
    let by_environment = environment.split('\0').find_map(|pair| pair.strip_prefix("container="));
    let by_file = host.line("/run/systemd/container").or_else(|| host.line("/run/host/container-manager"));
    if let Some(name) = by_file.as_deref().or(by_environment).filter(|name| !name.is_empty()) {
        return named(name);
    }
    if host.root.exists("/.dockerenv") {
        return named("docker");
    }
    let (_, cgroup) = host.own("cgroup").unwrap_or_default();
    let first = host.text("/proc/1/cgroup").unwrap_or_default();
    let groups = format!("{cgroup}\n{first}");
    [("kubepods", "kubernetes"), ("/docker/", "docker"), ("/docker-", "docker"), ("/libpod", "podman"), ("/lxc", "lxc")]
        .iter()
        .find(|(mark, _)| {
            // On the host itself, units that serve containers have such names too: only the first process's count.
            first.contains(mark) || (first.is_empty() && groups.contains(mark))
        })
        .and_then(|(_, kind)| named(kind))
        .or_else(|| {
            let (_, mounts) = host.own("mountinfo").unwrap_or_default();
            let lxcfs = mounts.lines().any(|line| line.contains(" /proc/meminfo ") && line.contains("lxcfs"));
            if lxcfs { named("lxc") } else { None }
        })
}

fn virtualization(host: &Host) -> Option<String> {
    let named = |name: &str| Some(name.to_owned());
    if let Some(kind) = host.line("/sys/hypervisor/type") {
        return Some(kind);
    }
    // s390: the hypervisors stand above one another, the highest number is the one we run in.
    if let Some(sysinfo) = host.text("/proc/sysinfo") {
        let control = sysinfo.lines().filter_map(|line| line.split_once("Control Program:")).next_back();
        return match control.map(|(_, name)| name.trim()) {
            Some(name) if name.starts_with("KVM") => named("kvm"),
            Some(name) if name.starts_with("z/VM") => named("zvm"),
            Some(_) => named("other"),
            None => None,
        };
    }
    let dmi = |name: &str| host.line(&format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    let dmi = ["product_name", "sys_vendor", "board_vendor", "bios_vendor"].map(dmi).join("\n");
    let by_dmi = [
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("QEMU", "qemu"),
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("VMware", "vmware"),
        ("VMW", "vmware"),
        ("innotek GmbH", "virtualbox"),
        ("VirtualBox", "virtualbox"),
        ("Xen", "xen"),
        ("Bochs", "bochs"),
        ("Parallels", "parallels"),
        ("BHYVE", "bhyve"),
        ("Hyper-V", "microsoft"),
        ("Virtual Machine", "microsoft"),
        ("Apple Virtualization", "apple"),
    ]
    .iter()
    .find(|(mark, _)| dmi.contains(mark))
    .map(|(_, name)| *name);
    let cpuinfo = host.text("/proc/cpuinfo").unwrap_or_default();
    let flag =
        cpuinfo.lines().find(|l| l.starts_with("flags")).is_some_and(|l| l.split(' ').any(|w| w == "hypervisor"));
    // EC2's metal hosts say "Amazon EC2" too; only a guest's processor has the flag.
    if let Some(name) = by_dmi.filter(|name| flag || !cpuinfo.contains("\nflags") || *name != "amazon") {
        return named(name);
    }
    if let Some(guest) = host.line("/proc/device-tree/hypervisor/compatible") {
        return named(if guest.contains("kvm") {
            "kvm"
        } else if guest.contains("xen") {
            "xen"
        } else {
            "other"
        });
    }
    let tree = host.text("/proc/device-tree/model").unwrap_or_default();
    if tree.contains("qemu") || tree.contains("linux,dummy-virt") {
        return named("qemu");
    }
    let clock = host.line("/sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_default();
    match clock.as_str() {
        "kvm-clock" => named("kvm"),
        "xen" => named("xen"),
        "hyperv_clocksource_tsc_page" => named("microsoft"),
        _ if flag => named("other"),
        _ => None,
    }
}

/// systemd says of itself that it runs by this folder (sd_booted(3)). A tree taken without /run does not tell.
fn systemd(host: &Host) -> Option<bool> {
    if host.root.exists("/run/systemd/system") {
        return Some(true);
    }
    match host.line("/proc/1/comm").as_deref() {
        Some("systemd") => Some(true),
        Some(_) => Some(false),
        // An image that does not run has an empty /run.
        None if !host.root.is_live()
            && ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].iter().any(|path| host.root.exists(path)) =>
        {
            Some(true)
        }
        None if host.root.exists("/run") => Some(false),
        None => {
            host.absent("container.systemd", "neither /run nor /proc/1/comm is there");
            None
        }
    }
}

fn sysctl_writable(host: &Host) -> Option<bool> {
    if !host.root.is_live() {
        return None;
    }
    let path = "/proc/sys/vm/swappiness";
    Some(nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok())
}
