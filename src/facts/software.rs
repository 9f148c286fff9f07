//! What is installed: servers, their versions and build options, users.
//!
//! No program is run: a version is read out of the program's own file, or the package manager's record, so that a tree
//! tells as much as a live host and nothing can hang. [`ask_programs`] runs those few that tell in no other way.

use super::process::Process;
use super::read::Host;
use super::{Facts, Nginx, Package, Postgres, Software, cluster};
use crate::root::Root;
use memchr::memmem;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Folders of programs, beside those of PATH on the live host.
const BIN_DIRS: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/games",
    "/snap/bin",
    "/opt/bin",
];

/// Users that services of the stack run as, by distribution.
const USERS: &[&str] =
    &["postgres", "pgbouncer", "_pgbouncer", "nginx", "www-data", "http", "wwwrun", "ollama", "docker"];

/// How long a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads what is installed.
pub(super) fn collect(host: &Host, processes: &[Process]) -> Software {
    let packages = Packages::read(host);
    let dirs = bin_dirs(host);
    let postgresql = servers(host, &dirs);
    let package = |names: &[&str], debian: &[&str]| {
        let path = names.iter().find_map(|name| program(host, &dirs, name))?;
        Some(Package { version: packages.version(&path, debian), path: Some(path) })
    };
    let uvicorn = package(&["uvicorn"], &["python3-uvicorn", "uvicorn"]).map(|mut found| {
        found.version =
            found.version.or_else(|| found.path.as_deref().and_then(|path| python_version(host, path, "uvicorn")));
        found
    });
    let pgbouncer = package(&["pgbouncer"], &["pgbouncer"]).map(|mut found| {
        found.version = found.version.or_else(|| {
            let bytes = binary(host, found.path.as_deref()?)?;
            number_after(&bytes, b"PgBouncer ")
        });
        found
    });
    Software {
        os: os(host),
        clusters: cluster::collect(host, &postgresql, processes),
        postgresql,
        pgbouncer,
        nginx: nginx(host, &dirs),
        duckdb: package(&["duckdb"], &["duckdb"]).or_else(|| library(host, "libduckdb.so")),
        sqlite: package(&["sqlite3"], &["sqlite3"]).or_else(|| {
            library(host, "libsqlite3.so.0").map(|mut found| {
                found.version = packages.version("/usr/lib", &["libsqlite3-0"]);
                found
            })
        }),
        uvicorn,
        llm: package(&["ollama", "llama-server", "vllm"], &["ollama"]),
        docker: package(&["dockerd", "docker", "podman"], &["docker-ce", "docker.io", "moby-engine", "podman"]),
        users: users(host),
    }
}

/// The distribution's name for itself.
fn os(host: &Host) -> Option<String> {
    let text = host.text("/etc/os-release").or_else(|| host.text("/usr/lib/os-release"));
    let name = text.and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim().trim_matches(['"', '\'']).to_owned())
    });
    if name.is_none() {
        host.absent("/etc/os-release", "it does not tell the distribution's name");
    }
    name
}

fn users(host: &Host) -> Vec<String> {
    let Some(text) = host.needed("/etc/passwd") else { return Vec::new() };
    let named: BTreeSet<&str> = text.lines().filter_map(|line| line.split(':').next()).collect();
    USERS.iter().filter(|user| named.contains(*user)).map(|user| (*user).to_owned()).collect()
}

/// The folders programs are looked for in, each once.
fn bin_dirs(host: &Host) -> Vec<String> {
    let mut dirs: Vec<String> = Vec::new();
    if host.root.is_live()
        && let Some(path) = std::env::var_os("PATH")
    {
        dirs.extend(std::env::split_paths(&path).filter(|p| p.is_absolute()).map(|p| p.to_string_lossy().into_owned()));
    }
    for dir in BIN_DIRS {
        if !dirs.iter().any(|d| d == dir) {
            dirs.push((*dir).to_owned());
        }
    }
    dirs
}

/// The path of a program.
fn program(host: &Host, dirs: &[String], name: &str) -> Option<String> {
    dirs.iter().map(|dir| format!("{dir}/{name}")).find(|path| is_file(host, path))
}

fn is_file(host: &Host, path: &str) -> bool {
    host.root.resolve(path).is_ok_and(|p| p.is_file())
}

/// A shared library in one of the usual folders.
fn library(host: &Host, name: &str) -> Option<Package> {
    let triplets = host.names("/usr/lib").into_iter().filter(|n| n.ends_with("-linux-gnu") || n.contains("-linux-gnu"));
    let dirs = triplets
        .map(|n| format!("/usr/lib/{n}"))
        .chain(["/usr/local/lib", "/usr/lib64", "/usr/lib"].map(str::to_owned));
    let path = dirs.map(|dir| format!("{dir}/{name}")).find(|path| is_file(host, path))?;
    Some(Package { version: None, path: Some(path) })
}

/// The bytes of a program's file.
fn binary(host: &Host, path: &str) -> Option<Vec<u8>> {
    std::fs::read(host.root.resolve(path).ok()?).ok()
}

/// What dpkg has recorded; empty where the host has none.
struct Packages {
    status: String,
}

impl Packages {
    fn read(host: &Host) -> Self {
        Packages { status: host.text("/var/lib/dpkg/status").unwrap_or_default() }
    }

    /// The version of the first installed package of that name, without epoch and revision, for a file of the
    /// distribution's own folders.
    fn version(&self, path: &str, names: &[&str]) -> Option<String> {
        if path.starts_with("/usr/local/") || path.starts_with("/opt/") {
            return None;
        }
        names.iter().find_map(|name| {
            let head = format!("Package: {name}\n");
            let start = memmem::find_iter(self.status.as_bytes(), head.as_bytes())
                .find(|at| *at == 0 || self.status.as_bytes().get(at - 1) == Some(&b'\n'))?;
            let entry = self.status.get(start..)?.split("\n\n").next()?;
            let field = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key));
            field("Status: ").filter(|status| status.ends_with(" installed"))?;
            let version = field("Version: ")?;
            let version = version.split_once(':').map_or(version, |(_, rest)| rest);
            Some(version.split(['-', '+', '~']).next().unwrap_or(version).to_owned())
        })
    }
}

/// The number that follows a mark in a program's file: `15.18` after `PostgreSQL `.
fn number_after(bytes: &[u8], mark: &[u8]) -> Option<String> {
    memmem::find_iter(bytes, mark).find_map(|at| {
        let rest = bytes.get(at + mark.len()..)?;
        let length = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'.')).unwrap_or(rest.len());
        let number = std::str::from_utf8(rest.get(..length)?).ok()?.trim_end_matches('.');
        let sane = number.starts_with(|c: char| c.is_ascii_digit()) && number.len() < 16;
        sane.then(|| number.to_owned())
    })
}

/// PostgreSQL servers, newest first.
fn servers(host: &Host, dirs: &[String]) -> Vec<Postgres> {
    let mut bins: Vec<String> = Vec::new();
    for major in host.names("/usr/lib/postgresql") {
        bins.push(format!("/usr/lib/postgresql/{major}/bin"));
    }
    for name in host.names("/usr") {
        if name.starts_with("pgsql-") {
            bins.push(format!("/usr/{name}/bin"));
        }
    }
    for name in host.names("/usr/lib") {
        // SUSE
        if name.strip_prefix("postgresql").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit())) {
            bins.push(format!("/usr/lib/{name}/bin"));
        }
    }
    for name in host.names("/usr/libexec") {
        // Alpine
        if name.starts_with("postgresql") {
            bins.push(format!("/usr/libexec/{name}"));
        }
    }
    bins.push("/usr/local/pgsql/bin".to_owned());
    bins.extend(dirs.iter().cloned());

    let mut seen = BTreeSet::new();
    let mut servers: Vec<Postgres> = Vec::new();
    for bin in bins {
        let path = format!("{bin}/postgres");
        // /bin is /usr/bin, and /usr/bin/postgres may be a link to a folder above.
        let real = host.root.resolve(&path).ok().and_then(|path| std::fs::canonicalize(path).ok());
        let Some(real) = real.filter(|real| real.is_file()) else { continue };
        let real = host.root.on_host(&real);
        if !seen.insert(real.clone()) {
            continue;
        }
        let bin_dir = real.parent().map_or(bin, |dir| dir.display().to_string());
        servers.push(server(host, &bin_dir));
    }
    let order = |server: &Postgres| -> (Option<u32>, Vec<u32>) {
        let numbers = server.version.iter().flat_map(|v| v.split('.')).filter_map(|n| n.parse().ok()).collect();
        (server.major, numbers)
    };
    servers.sort_by_key(|server| std::cmp::Reverse(order(server)));
    servers
}

fn server(host: &Host, bin_dir: &str) -> Postgres {
    // pg_config is small and holds both; the server holds them too.
    let files = [format!("{bin_dir}/pg_config"), format!("{bin_dir}/postgres")];
    let (mut version, mut options) = (None, None);
    for file in &files {
        if version.is_some() && options.is_some() {
            break;
        }
        let Some(bytes) = binary(host, file) else { continue };
        version =
            version.or_else(|| number_after(&bytes, b"PostgreSQL ")).or_else(|| number_after(&bytes, b"(PostgreSQL) "));
        options = options.or_else(|| build_options(&bytes));
    }
    let by_folder = || {
        Path::new(bin_dir).components().find_map(|part| {
            let name = part.as_os_str().to_string_lossy().into_owned();
            name.strip_prefix("pgsql-").or_else(|| name.strip_prefix("postgresql")).unwrap_or(&name).parse::<u32>().ok()
        })
    };
    let major = version.as_deref().and_then(major_of).or_else(by_folder);
    if version.is_none() {
        host.absent(format!("{bin_dir}/postgres version"), "the program's file does not tell its version");
    }
    if options.is_none() {
        host.absent(format!("{bin_dir}/pg_config"), "neither it nor the server's file tells how it was built");
    }
    Postgres {
        version,
        major,
        build_options: options,
        extensions: extensions(host, bin_dir, major),
        bin_dir: bin_dir.to_owned(),
    }
}

/// 18 of `18.1` or `18beta1`; 9 of `9.6.24`.
fn major_of(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The configure options compiled into PostgreSQL's programs, as `pg_config --configure` prints them: those that turn
/// something on or off, folders and flags of the compiler left out.
fn build_options(bytes: &[u8]) -> Option<Vec<String>> {
    let at = memmem::find_iter(bytes, b"'--").find(|at| {
        // The start of the string that holds them all.
        bytes.get(at.checked_sub(1).unwrap_or(0)).is_some_and(|b| *b == 0 || *b == b' ')
    })?;
    let rest = bytes.get(at..)?;
    let end = memchr::memchr(0, rest)?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    let options: BTreeSet<String> = text
        .split('\'')
        .filter(|option| {
            ["--with-", "--without-", "--enable-", "--disable-"].iter().any(|start| option.starts_with(start))
        })
        .map(str::to_owned)
        .collect();
    (!options.is_empty()).then(|| options.into_iter().collect())
}

/// Names of extensions that can be created and libraries that can be loaded.
fn extensions(host: &Host, bin_dir: &str, major: Option<u32>) -> Option<Vec<String>> {
    let prefix = Path::new(bin_dir).parent().map_or_else(String::new, |p| p.display().to_string());
    let prefix = prefix.trim_end_matches('/');
    let mut shares = ["share", "share/postgresql", "share/pgsql"].map(|dir| format!("{prefix}/{dir}")).to_vec();
    let mut libs =
        ["lib", "lib/postgresql", "lib/pgsql", "lib64/pgsql", "lib64"].map(|dir| format!("{prefix}/{dir}")).to_vec();
    if let Some(major) = major {
        shares.push(format!("/usr/share/postgresql/{major}"));
        shares.push(format!("/usr/share/postgresql{major}"));
        libs.push(format!("/usr/lib/postgresql{major}"));
    }
    let controls = shares.iter().map(|dir| host.names(&format!("{dir}/extension"))).find(|names| !names.is_empty());
    // What is loaded always lies beside plpgsql.
    let loadable = libs.iter().map(|dir| host.names(dir)).find(|names| names.iter().any(|n| n == "plpgsql.so"));
    if controls.is_none() && loadable.is_none() {
        host.absent(format!("{prefix} extensions"), "the folders of extensions are not found beside the server");
        return None;
    }
    let controls = controls.unwrap_or_default();
    let loadable = loadable.unwrap_or_default();
    let names: BTreeSet<String> = controls
        .iter()
        .filter_map(|name| name.strip_suffix(".control"))
        .chain(loadable.iter().filter_map(|name| name.strip_suffix(".so")).filter(|name| !internal(name)))
        .map(str::to_owned)
        .collect();
    Some(names.into_iter().collect())
}

/// Libraries the server loads by itself: conversions between encodings, replication, full-text dictionaries.
fn internal(name: &str) -> bool {
    name.starts_with("lib")
        || name.contains("_and_")
        || ["euc2004_sjis2004", "dict_snowball", "pgoutput", "llvmjit"].contains(&name)
}

/// NGINX, from the options compiled into it and the modules beside it.
fn nginx(host: &Host, dirs: &[String]) -> Option<Nginx> {
    let dirs: Vec<String> = dirs.iter().cloned().chain(["/usr/local/nginx/sbin".to_owned()]).collect();
    let path = program(host, &dirs, "nginx")?;
    let bytes = binary(host, &path).unwrap_or_default();
    let version = number_after(&bytes, b"nginx/");
    let mut modules: BTreeSet<String> = BTreeSet::new();
    let mut known = false;
    if let Some(at) = memmem::find(&bytes, b"configure arguments:") {
        let rest = bytes.get(at..).unwrap_or_default();
        let text = String::from_utf8_lossy(rest.get(..memchr::memchr(0, rest).unwrap_or(0)).unwrap_or_default());
        known = true;
        modules.extend(text.split_whitespace().filter_map(|option| {
            let option = option.split('=').next()?;
            let name = option.strip_prefix("--with-")?;
            Some(name.strip_suffix("_module")?.to_owned())
        }));
        modules.extend(text.split_whitespace().filter_map(|option| {
            let path = option.strip_prefix("--add-module=").or_else(|| option.strip_prefix("--add-dynamic-module="))?;
            Some(module_name(path.rsplit('/').next()?))
        }));
    }
    for dir in ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"] {
        for name in host.names(dir) {
            if let Some(name) = name.strip_suffix(".so") {
                known = true;
                modules.insert(module_name(name));
            }
        }
    }
    if !known {
        host.absent(format!("{path} modules"), "the program's file does not tell how it was built");
    }
    let openssl = number_after(&bytes, b"OpenSSL ");
    Some(Nginx { version, path: Some(path), openssl, modules: known.then(|| modules.into_iter().collect()) })
}

/// `brotli` of `ngx_http_brotli_filter_module` or `ngx_brotli`; `http_ssl` and others of nginx's own keep their names.
fn module_name(name: &str) -> String {
    let name = name.trim_start_matches("lib").trim_start_matches("ngx_").trim_end_matches("_module");
    let name = name.trim_end_matches("-module");
    if name.contains("brotli") { "brotli".to_owned() } else { name.to_owned() }
}

/// The version of a Python package, by the name of the folder pip left, beside the program's own interpreter.
fn python_version(host: &Host, program: &str, package: &str) -> Option<String> {
    let prefix = Path::new(program).parent()?.parent()?.display().to_string();
    let lib = format!("{}/lib", prefix.trim_end_matches('/'));
    host.names(&lib).iter().filter(|name| name.starts_with("python3")).find_map(|python| {
        ["site-packages", "dist-packages"].iter().find_map(|packages| {
            host.names(&format!("{lib}/{python}/{packages}")).iter().find_map(|name| {
                let version = name.strip_prefix(package)?.strip_prefix('-')?;
                Some(version.strip_suffix(".dist-info").or_else(|| version.strip_suffix(".egg-info"))?.to_owned())
            })
        })
    })
}

/// Runs programs whose files do not tell their version, on the live host only, each for two seconds at most.
pub fn ask_programs(root: &Root, facts: &mut Facts) {
    if !root.is_live() {
        return;
    }
    let software = &mut facts.software;
    let packages =
        [&mut software.pgbouncer, &mut software.duckdb, &mut software.docker, &mut software.llm, &mut software.sqlite];
    for package in packages.into_iter().flatten() {
        if package.version.is_none()
            && let Some(path) = package.path.as_deref().filter(|path| !path.contains(".so"))
        {
            package.version = run(path).and_then(|text| first_number(&text));
        }
    }
}

/// What a program prints when asked for its version; nothing if it fails, takes too long or prints too much.
fn run(path: &str) -> Option<String> {
    let mut child =
        crate::process::command(path).arg("--version").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                // It may have ended in between; either way it is gone and waited for.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(child.stdout.take()?, 4096), &mut text).ok()?;
    Some(text)
}

/// The first word that is a version: `27.3.1` of `Docker version 27.3.1, build ce12230`.
fn first_number(text: &str) -> Option<String> {
    text.split_whitespace().map(|word| word.trim_start_matches('v').trim_end_matches(',')).find_map(|word| {
        let sane = word.contains('.') && word.chars().all(|c| c.is_ascii_alphanumeric() || ".+-".contains(c));
        (sane && word.starts_with(|c: char| c.is_ascii_digit())).then(|| word.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_a_programs_file() {
        let bytes =
            b"\0postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n\0PostgreSQL server\0PostgreSQL 15.18 (Debian\0";
        assert_eq!(number_after(bytes, b"PostgreSQL "), Some("15.18".to_owned()));
        assert_eq!(number_after(b"nginx/1.22.1\0", b"nginx/"), Some("1.22.1".to_owned()));
        assert_eq!(number_after(b"PgBouncer %s", b"PgBouncer "), None);
        assert_eq!(major_of("18beta1"), Some(18));
        assert_eq!(first_number("Docker version 27.3.1, build ce12230"), Some("27.3.1".to_owned()));
        assert_eq!(first_number("v1.5.5 (Variegata) abc"), Some("1.5.5".to_owned()));
    }

    #[test]
    fn build_options_are_those_that_turn_something_on_or_off() {
        let bytes = b"x\0 '--prefix=/usr' '--with-lz4' '--disable-rpath' 'CFLAGS=-g -O2' '--with-ssl=openssl'\0y";
        let options = ["--disable-rpath", "--with-lz4", "--with-ssl=openssl"].map(str::to_owned).to_vec();
        assert_eq!(build_options(bytes), Some(options));
        assert_eq!(build_options(b"nothing"), None);
    }

    #[test]
    fn a_removed_package_is_not_installed() {
        let status = "Package: nginx\nStatus: deinstall ok config-files\nVersion: 1.22.1-9\n\n\
                      Package: docker-ce\nStatus: install ok installed\nVersion: 5:27.3.1-1~debian.12~bookworm\n";
        let packages = Packages { status: status.to_owned() };
        assert_eq!(packages.version("/usr/sbin/nginx", &["nginx"]), None);
        assert_eq!(packages.version("/usr/bin/docker", &["docker-ce"]), Some("27.3.1".to_owned()));
        assert_eq!(packages.version("/usr/local/bin/docker", &["docker-ce"]), None);
    }
}
