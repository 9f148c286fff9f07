# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_llmsql_global_optspecs
    string join \n format= root= config= h/help V/version
end

function __fish_llmsql_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_llmsql_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_llmsql_using_subcommand
    set -l cmd (__fish_llmsql_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c llmsql -n "__fish_llmsql_needs_command" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_needs_command" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_needs_command" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_needs_command" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "facts" -d 'Show what this host is: CPUs, memory, disks, kernel, limits and what is installed'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "plan" -d 'Show what every setting of the stack should be on this host, and why'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "explain" -d 'Say everything about one setting or one invariant: formula, numbers, caps, who set it, limits'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "render" -d 'Write the plan as configuration files, each value below its reason'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "diff" -d 'Show what the plan would change on this host: every setting with its reason, every file, every kernel value'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "apply" -d 'Put the plan on this host: validate, replace all files or none, reload, verify; whatever fails is taken back'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "rollback" -d 'Take a generation back: files and kernel values as they were before it, as a new generation'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "recover" -d 'End a change that a kill, a crash or a loss of power has interrupted'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "history" -d 'Show what was changed on this host, when and by whom, newest first; with a number, what that generation changed'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "status" -d 'Show what has drifted since the last apply: files, running values, and the plan itself'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "profile" -d 'Show the profiles: what each is for, which one this host gets and why, and what it sets'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "config" -d 'Read and change llmsql.toml, the operator\'s own values'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "man" -d 'Print the manual page, or write all of them into a folder'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "index" -d 'Keep pgvector\'s indexes right: list, plan, rebuild without a moment without an index, measure recall'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "harden" -d 'Check a live database for what should be safer, and make it so: privileges, rows, TLS, logins, logging'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "secrets" -d 'Make secrets, show what is due, rotate them everywhere at once, and bring them back'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "apikey" -d 'Make, list, revoke and rotate API keys, with the tiers that nginx and the API know'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "token" -d 'Sign, check and read JSON Web Tokens with the keys of the env file'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "query" -d 'Ask data in plain English: files, folders, SQLite, DuckDB, PostgreSQL'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "schema" -d 'Show what can be asked: tables, columns, types, keys, row counts, example questions'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "export" -d 'Write a table, a SELECT or a question\'s answer as Parquet: zstd, whole or not at all, by date if wanted'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "duckdb" -d 'Look after DuckDB files: what they hold, statistics, checkpoints'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "extensions" -d 'Show, install and prove DuckDB\'s extensions'
complete -c llmsql -n "__fish_llmsql_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l measure-seconds -d 'How long one file system may take, in seconds' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l mount -d 'Measure the file system of this folder, with the scratch file in it [default: every file system for data]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -l measure -d 'Measure the file systems too: random reads of 8 kB one and sixteen at a time, sequential reads, writes with fsync'
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand facts" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l only -d 'Show only these components: postgresql, pgbouncer, nginx, api, duckdb, sqlite, kernel, limits, disk, containers' -r -f -a "postgresql\t''
pgbouncer\t''
nginx\t''
api\t''
duckdb\t''
sqlite\t''
kernel\t''
limits\t''
disk\t''
containers\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l check -d 'End with exit code 5 if an invariant of severity error is violated'
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -l schema -d 'Print the JSON Schema of `plan --format json` instead of a plan'
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand plan" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand explain" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l out -d 'Folder to lay the files out in, such as ./rendered; it must not exist, be empty, or hold an earlier render, which is then replaced as a whole' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l only -d 'Only the files of this component; may be repeated' -r -f -a "postgresql\t''
pgbouncer\t''
nginx\t''
api\t''
duckdb\t''
sqlite\t''
kernel\t''
limits\t''
disk\t''
containers\t''
maintenance\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l templates -d 'Folder of templates that replace built-in ones of the same name (see --list), one by one' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l allow -d 'Render although this invariant is violated, such as memory.total; may be repeated' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l list -d 'List the files: template, target, ownership, and the variables the template reads'
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l patroni -d 'Print PostgreSQL\'s settings as Patroni\'s YAML; Patroni writes PostgreSQL\'s own files itself'
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -l adopt -d 'Replace a file of the operator\'s own that has more in it than ours (NGINX\'s main file), instead of writing ours beside it'
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand render" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l save -d 'Keep the changes in a file for `llmsql apply FILE`, which refuses them if the host has changed by then' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l only -d 'Only this component\'s files and values; may be repeated' -r -f -a "postgresql\t''
pgbouncer\t''
nginx\t''
api\t''
duckdb\t''
sqlite\t''
kernel\t''
limits\t''
disk\t''
containers\t''
maintenance\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l cluster -d 'The PostgreSQL cluster, by name (18/main) or data folder, where this host has several' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l container -d 'The container (of docker or podman) whose PostgreSQL is meant, and whose folder is mounted from this host' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l allow -d 'Go on although this invariant is violated, such as memory.total; may be repeated' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l templates -d 'Folder of templates that replace built-in ones of the same name (see `llmsql render --list`)' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -s u -l unified -d 'Show the lines that change, as diff -u does; comments that were edited by hand and stay come last'
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l detailed-exitcode -d 'End with 2 where there are changes'
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -l adopt -d 'Replace files of your own that ours would otherwise only stand beside, such as nginx.conf'
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand diff" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l only -d 'Only this component\'s files and values; may be repeated' -r -f -a "postgresql\t''
pgbouncer\t''
nginx\t''
api\t''
duckdb\t''
sqlite\t''
kernel\t''
limits\t''
disk\t''
containers\t''
maintenance\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l cluster -d 'The PostgreSQL cluster, by name (18/main) or data folder, where this host has several' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l container -d 'The container (of docker or podman) whose PostgreSQL is meant, and whose folder is mounted from this host' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l allow -d 'Go on although this invariant is violated, such as memory.total; may be repeated' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l templates -d 'Folder of templates that replace built-in ones of the same name (see `llmsql render --list`)' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l yes -d 'Change without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l dry-run -d 'Do everything but write: show the changes and have the servers judge them'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l restart -d 'Restart servers whose new values need it, and prove them after'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -l adopt -d 'Replace files of your own that ours would otherwise only stand beside, such as nginx.conf'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apply" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l discard-edits -d 'Put back what was edited since too; the edited version is kept in the new generation, whose rollback brings it back'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l yes -d 'Change without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l dry-run -d 'Do everything but write: show the changes and have the servers judge them'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -l restart -d 'Restart servers whose new values need it, and prove them after'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand rollback" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l finish -d 'Bring every file and value to the new side'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l undo -d 'Bring every file and value back to the old side'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l leave-edited -d 'Leave files that somebody has edited since the interruption as they are, instead of refusing'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -l yes -d 'End it without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand recover" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l limit -d 'At most so many, newest first' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l keep -d 'How many to keep' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -s u -l unified -d 'Show the lines that it changed, as diff -u does'
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l prune -d 'Forget the contents of old generations, which then cannot be taken back any more; their lines stay'
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -l yes -d 'Forget without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand history" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l textfile -d 'Write metrics for Prometheus\'s node exporter into this file (name.prom)' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l only -d 'Only this component\'s files and values; may be repeated' -r -f -a "postgresql\t''
pgbouncer\t''
nginx\t''
api\t''
duckdb\t''
sqlite\t''
kernel\t''
limits\t''
disk\t''
containers\t''
maintenance\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l cluster -d 'The PostgreSQL cluster, by name (18/main) or data folder, where this host has several' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l container -d 'The container (of docker or podman) whose PostgreSQL is meant, and whose folder is mounted from this host' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l allow -d 'Go on although this invariant is violated, such as memory.total; may be repeated' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l templates -d 'Folder of templates that replace built-in ones of the same name (see `llmsql render --list`)' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l detailed-exitcode -d 'End with 2 where anything has drifted, and with 4 where an interrupted change waits for recover'
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -l adopt -d 'Replace files of your own that ours would otherwise only stand beside, such as nginx.conf'
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand status" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'List the profiles; the one in force on this host is marked with *'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'Show one profile as it works out on this host: why it is in force, every value and where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l facts -d 'Facts of a host that is not this one, as `llmsql facts --format json` wrote them there; with --root, of that tree only the configuration (etc/llmsql) is read' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l ram -d 'Memory to plan for, instead of what the host has, such as 64GB (powers of 1024)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l cpus -d 'CPUs to plan for, instead of what the host has' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l disk -d 'Class of the disk that holds the database, instead of what the kernel says' -r -f -a "hdd\t''
ssd\t''
nvme\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l sizing -d 'How memory is shared out: budget (the whole stack within the host\'s memory) or guide (the guide\'s formulas on the whole of it) [default: budget]' -r -f -a "budget\t''
guide\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l workload -d 'What the database does most; decides how PostgreSQL and DuckDB share memory and CPUs [default: by profile, else mixed]' -r -f -a "oltp\t''
mixed\t''
analytics\t''
vector\t''"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l profile -d 'The profile, by name or file (./my.yaml) [default: the first whose conditions hold, see `llmsql profile list`]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l set -d 'Sets one key, such as postgresql.work_mem=64MB; may be repeated (`llmsql config list --all` shows the keys)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the profiles; the one in force on this host is marked with *'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show one profile as it works out on this host: why it is in force, every value and where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand profile; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -f -a "get" -d 'Print the value in effect: from the environment, llmsql.toml or the profile'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -f -a "set" -d 'Set a key in llmsql.toml; comments, order and formatting stay as they are'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -f -a "unset" -d 'Remove a key from llmsql.toml, so that the profile sets it or the plan derives it'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -f -a "list" -d 'List every value in effect with where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and not __fish_seen_subcommand_from get set unset list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -l show-origin -d 'Print where the value comes from as well, after a tab'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from get" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from set" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from set" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from set" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from unset" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from unset" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from unset" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from unset" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -l all -d 'List every key there is, with what it takes and what it is for'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "get" -d 'Print the value in effect: from the environment, llmsql.toml or the profile'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set a key in llmsql.toml; comments, order and formatting stay as they are'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "unset" -d 'Remove a key from llmsql.toml, so that the profile sets it or the plan derives it'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "list" -d 'List every value in effect with where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand completions" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand completions" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand completions" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand completions" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -l out -d 'Write llmsql.1 and one page for each subcommand into this folder, which is created if need be' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand man" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -f -a "list" -d 'Show every ivfflat and hnsw index: rows, lists it has and should have, probes, size, last build, last verdict'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -f -a "plan" -d 'Say for each index whether to rebuild it and why, what that takes, and what stands in its way'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -f -a "rebuild" -d 'Rebuild indexes while queries go on using them'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -f -a "recall" -d 'Measure how many of the nearest rows queries find, and find the smallest probes for a target'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and not __fish_seen_subcommand_from list plan rebuild recall help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l database -d 'A database, instead of the connection\'s own; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l table -d 'The indexes of a table: name or schema.name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l schema -d 'The indexes of a schema' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l rule -d 'The rule for the number of lists' -r -f -a "guide\t'The guide\'s (section 1.6): the root of the rows below a million, a thousandth from there on'
pgvector\t'pgvector\'s README: a thousandth of the rows up to a million, the root above'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l memory -d 'Memory the builds may use together, as in 2GB [default: a part of this host\'s or the server\'s]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l all-databases -d 'Every database that pgvector is installed in'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -l history -d 'Show instead the last ten runs over each index: when, what became of it, and why'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l database -d 'A database, instead of the connection\'s own; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l table -d 'The indexes of a table: name or schema.name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l schema -d 'The indexes of a schema' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l rule -d 'The rule for the number of lists' -r -f -a "guide\t'The guide\'s (section 1.6): the root of the rows below a million, a thousandth from there on'
pgvector\t'pgvector\'s README: a thousandth of the rows up to a million, the root above'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l memory -d 'Memory the builds may use together, as in 2GB [default: a part of this host\'s or the server\'s]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l m -d 'hnsw: connections a layer (2 to 100)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l ef-construction -d 'hnsw: candidates while building (4 to 1000)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l all-databases -d 'Every database that pgvector is installed in'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l count -d 'Count the rows, even where the statistics seem good enough'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -l detailed-exitcode -d 'Exit with 2 when an index is to be rebuilt'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from plan" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l database -d 'A database, instead of the connection\'s own; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l table -d 'The indexes of a table: name or schema.name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l schema -d 'The indexes of a schema' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l rule -d 'The rule for the number of lists' -r -f -a "guide\t'The guide\'s (section 1.6): the root of the rows below a million, a thousandth from there on'
pgvector\t'pgvector\'s README: a thousandth of the rows up to a million, the root above'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l memory -d 'Memory the builds may use together, as in 2GB [default: a part of this host\'s or the server\'s]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l m -d 'hnsw: connections a layer (2 to 100)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l ef-construction -d 'hnsw: candidates while building (4 to 1000)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l window -d 'Start only in these hours of this host\'s clock, as in 01:00-05:00; outside them do nothing' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l max-wait -d 'How long the whole run waits for other sessions\' transactions before it gives up, over all indexes, as in 10min; 0 waits for ever' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l jobs -d 'Tables to work on at the same time' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l workers -d 'Parallel workers of a build [default: half of max_parallel_workers, at most 4, shared between the jobs]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l method -d 'How the new index takes the place of the old' -r -f -a "reindex\t'ALTER INDEX SET and REINDEX CONCURRENTLY: keeps name, operator class and comment'
swap\t'CREATE INDEX CONCURRENTLY, rename, DROP CONCURRENTLY: for another operator class'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l opclass -d 'The operator class to change to, with --method swap: vector_l2_ops' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l set-probes -d 'Whose ivfflat.probes follow the lists: print (say them), database, role:NAME' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l textfile -d 'Write metrics for Prometheus\'s node exporter into this file (name.prom)' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l all-databases -d 'Every database that pgvector is installed in'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l all -d 'All vector indexes'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l if-needed -d 'Leave indexes that need no rebuild'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -l dry-run -d 'Show what would be done, and do nothing'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from rebuild" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l database -d 'A database, instead of the connection\'s own; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l table -d 'The indexes of a table: name or schema.name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l schema -d 'The indexes of a schema' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l target -d 'The recall to reach, from 0 to 1' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l queries -d 'Queries to ask' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l nearest -d 'Nearest rows a query asks for' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -l all-databases -d 'Every database that pgvector is installed in'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from recall" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show every ivfflat and hnsw index: rows, lists it has and should have, probes, size, last build, last verdict'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from help" -f -a "plan" -d 'Say for each index whether to rebuild it and why, what that takes, and what stands in its way'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from help" -f -a "rebuild" -d 'Rebuild indexes while queries go on using them'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from help" -f -a "recall" -d 'Measure how many of the nearest rows queries find, and find the smallest probes for a target'
complete -c llmsql -n "__fish_llmsql_using_subcommand index; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -f -a "check" -d 'Say what should be safer, why, and by which exact SQL; nothing is changed'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -f -a "apply" -d 'Make the changes that check shows, prove them by logins, and undo them if one fails'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -f -a "rollback" -d 'Take back what the last run changed, or an interrupted one'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and not __fish_seen_subcommand_from check apply rollback help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l readonly-role -d 'A role that may read and nothing else; it is made, without a password, if it is not there' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l app-role -d 'The application\'s role; it is made, without a password, if it is not there' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l schema -d 'A schema that both may read; may be given several times [default: every schema with tables]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l write-schema -d 'A schema in which the application may insert as well; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l isolate -d 'Let the application see only rows whose column is a variable it sets: SCHEMA.TABLE=COLUMN[:VARIABLE]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l loopback-tls -d 'Want TLS over the loopback interface as well'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -l detailed-exitcode -d 'End with 2 where a check fails'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l readonly-role -d 'A role that may read and nothing else; it is made, without a password, if it is not there' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l app-role -d 'The application\'s role; it is made, without a password, if it is not there' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l schema -d 'A schema that both may read; may be given several times [default: every schema with tables]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l write-schema -d 'A schema in which the application may insert as well; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l isolate -d 'Let the application see only rows whose column is a variable it sets: SCHEMA.TABLE=COLUMN[:VARIABLE]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l route -d 'A further login that has to work before and after, such as the pooler\'s; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l skip -d 'Leave a check\'s changes out, such as schema.usage; may be given several times' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l loopback-tls -d 'Want TLS over the loopback interface as well'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l dry-run -d 'Show what would be done, and change nothing'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -l yes -d 'Do not ask'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from apply" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -l yes -d 'Do not ask'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from rollback" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say what should be safer, why, and by which exact SQL; nothing is changed'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Make the changes that check shows, prove them by logins, and undo them if one fails'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from help" -f -a "rollback" -d 'Take back what the last run changed, or an interrupted one'
complete -c llmsql -n "__fish_llmsql_using_subcommand harden; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "init" -d 'Make the env file: the template with every <generate…> filled at random, mode 0600 from the first byte'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "status" -d 'Show each secret\'s age, where it is used, what is due, weak or open to others; never a value'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "rotate" -d 'Rotate secrets everywhere at once: env file, server and PgBouncer, proved by logins before it is final'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "verify" -d 'Log in with every secret everywhere it should work; 12 where one does not'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "restore" -d 'Bring earlier values back: env file, server and PgBouncer, proved by logins as a rotation is'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "recover" -d 'Finish or undo a rotation that a kill, a crash or a lost server has interrupted'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and not __fish_seen_subcommand_from init status rotate verify restore recover help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l template -d 'A template of your own, instead of the guide\'s' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l fill -d 'Fill what an env file that is there lacks, and keep the rest of it'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -l overwrite -d 'Lose the values of an env file that is there'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from init" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -l detailed-exitcode -d 'End with 2 where something is due or wrong'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l strategy -d 'How a role\'s password is rotated [default: alternate where two roles are configured, else single]' -r -f -a "single\t'One role: new logins with the old password fail from the moment of the change until services have the new one'
alternate\t'Two roles of one group take turns: the old login goes on working, so none fails'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l value -d 'Where the new value of the one NAME stands, instead of a random one: a file, - for stdin, credential:NAME' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l yes -d 'Do it without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l no-reload -d 'Reload no service: you restart what holds the old values'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l due -d 'Every secret that is older than it may become'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l all -d 'Every secret but API_KEY_SALT'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l no-overlap -d 'Accept tokens of the old JWT_SECRET_KEY no longer'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l mend -d 'Rotate though the old password does not log in'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -l dry-run -d 'Show what would change, and change nothing'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from rotate" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l yes -d 'Do it without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l no-reload -d 'Reload no service: you restart what holds the old values'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -l list -d 'Show the backups: when, and what each would bring back; never a value'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from restore" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l dsn -d 'The server: a URL, keywords and values, or a database\'s name' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l yes -d 'Do it without asking'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l no-reload -d 'Reload no service: you restart what holds the old values'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l finish -d 'Go on to the new values'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -l undo -d 'Go back to the old values'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from recover" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "init" -d 'Make the env file: the template with every <generate…> filled at random, mode 0600 from the first byte'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show each secret\'s age, where it is used, what is due, weak or open to others; never a value'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Rotate secrets everywhere at once: env file, server and PgBouncer, proved by logins before it is final'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Log in with every secret everywhere it should work; 12 where one does not'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Bring earlier values back: env file, server and PgBouncer, proved by logins as a rotation is'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "recover" -d 'Finish or undo a rotation that a kill, a crash or a lost server has interrupted'
complete -c llmsql -n "__fish_llmsql_using_subcommand secrets; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "create" -d 'Make a key and print it: this once'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "list" -d 'Show every key: id, name, tier and its limits, whether nginx has it; never the key'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "revoke" -d 'End a key: it is out of nginx\'s map at once, and refused from nginx\'s next reload on'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "rotate" -d 'Make a key in the place of another, with its name and tier, and end the old one'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "check" -d 'Say whose key this is, or that it is none (12)'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and not __fish_seen_subcommand_from create list revoke rotate check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l map -d 'nginx\'s map of whole keys [default: api_keys_file of [secrets] or of [nginx] in llmsql.toml, else /etc/nginx/secrets/api-keys.map]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l name -d 'Whose key it is, in your words' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l tier -d 'free, premium, enterprise, or one of [secrets.tiers] in llmsql.toml' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from create" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l map -d 'nginx\'s map of whole keys [default: api_keys_file of [secrets] or of [nginx] in llmsql.toml, else /etc/nginx/secrets/api-keys.map]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -l all -d 'Revoked keys as well'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l map -d 'nginx\'s map of whole keys [default: api_keys_file of [secrets] or of [nginx] in llmsql.toml, else /etc/nginx/secrets/api-keys.map]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from revoke" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l map -d 'nginx\'s map of whole keys [default: api_keys_file of [secrets] or of [nginx] in llmsql.toml, else /etc/nginx/secrets/api-keys.map]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -l keep-old -d 'Leave the old key alive, to be revoked once its user has the new one'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from rotate" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a key and print it: this once'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show every key: id, name, tier and its limits, whether nginx has it; never the key'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'End a key: it is out of nginx\'s map at once, and refused from nginx\'s next reload on'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Make a key in the place of another, with its name and tier, and end the old one'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say whose key this is, or that it is none (12)'
complete -c llmsql -n "__fish_llmsql_using_subcommand apikey; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -f -a "mint" -d 'Sign a token and print it'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -f -a "verify" -d 'Check a token: signature, expiry, audience, key; print what it says, or end with 12'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -f -a "inspect" -d 'Print a token\'s header and claims; nothing of it is checked'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -f -a "public" -d 'Print the public keys of EdDSA as a JSON Web Key Set, for services that only check tokens'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and not __fish_seen_subcommand_from mint verify inspect public help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l subject -d 'Whom it stands for (sub)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l audience -d 'Whom it is for (aud)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l issuer -d 'Who gives it (iss)' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l expires -d 'How long it lives, such as 30min or 12h [default: JWT_EXPIRE_MINUTES]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l claim -d 'A claim more: NAME=VALUE, the value as JSON or else as text' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from mint" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l audience -d 'Whom it has to be for' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l issuer -d 'Who has to have given it' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from inspect" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from inspect" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from inspect" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from inspect" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -l env-file -d 'The env file [default: env_file of [secrets] in llmsql.toml, else ./.env]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from public" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "mint" -d 'Sign a token and print it'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check a token: signature, expiry, audience, key; print what it says, or end with 12'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "inspect" -d 'Print a token\'s header and claims; nothing of it is checked'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "public" -d 'Print the public keys of EdDSA as a JSON Web Key Set, for services that only check tokens'
complete -c llmsql -n "__fish_llmsql_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l source -d 'Data to ask, as [NAME=]PATH: a CSV, TSV, JSON, NDJSON, Parquet, SQLite or DuckDB file, a folder or a pattern of them, postgres://…, - for stdin, or a name of [sources] in llmsql.toml; may be repeated [default: all of [sources]]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l memory -d 'Memory a query may use, as in 2GB; the programs themselves take some 150 MB more, and a query that holds more than a quarter and 256 MB beyond is ended [default: what the plan gives DuckDB, else half of the memory that is free, within its cgroup\'s limit]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l threads -d 'Threads a query may use [default: what the plan gives DuckDB, else the CPUs]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l timeout -d 'How long a query may take, as in 30s [default: 5min]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l sql -d 'Run this SELECT (DuckDB\'s dialect) instead of a question' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l batch -d 'Answer many questions: JSON lines {"id": …, "question": …} in FILE (- for stdin), a line of JSON for each on stdout' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -s o -l output -d 'Write the result into this file, whole or not at all; without --format the ending of its name says how (.csv, .json, .jsonl, .md, .parquet, .yaml), and under a name that says none, as .txt, it is a table' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l chart -d 'Draw a result that is a series as a chart in the terminal' -r -f -a "auto\t'Lines where the result goes along time, bars otherwise'
bar\t'A bar a row'
line\t'A line from left to right'"
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l model -d 'Let the language model of [model] in llmsql.toml write the SQL, or another one of that endpoint' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l limit -d 'The most rows [default: 10000; into a file, all]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l now -d 'The time at which the question is asked, as in 2026-03-01T12:00 [default: now]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l explain -d 'Say which word of the question became what'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l profile -d 'Show DuckDB\'s plan with times, and its memory by component (on stderr)'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l model-values -d 'Let the model see some values of the data, not only names and types'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l show-prompt -d 'Print what the model would be told, and send nothing'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -l no-history -d 'Keep this question out of `llmsql query history`'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -a "history" -d 'Show what was asked, newest first: questions, those of --batch, and SQL; mark right answers, or forget all'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and not __fish_seen_subcommand_from history help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l most -d 'At most so many' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l good -d 'The answer to this question was right: reuse it' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l bad -d 'Take that back' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -l clear -d 'Forget every question'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from history" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from help" -f -a "history" -d 'Show what was asked, newest first: questions, those of --batch, and SQL; mark right answers, or forget all'
complete -c llmsql -n "__fish_llmsql_using_subcommand query; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l source -d 'Data to ask, as [NAME=]PATH: a CSV, TSV, JSON, NDJSON, Parquet, SQLite or DuckDB file, a folder or a pattern of them, postgres://…, - for stdin, or a name of [sources] in llmsql.toml; may be repeated [default: all of [sources]]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l memory -d 'Memory a query may use, as in 2GB; the programs themselves take some 150 MB more, and a query that holds more than a quarter and 256 MB beyond is ended [default: what the plan gives DuckDB, else half of the memory that is free, within its cgroup\'s limit]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l threads -d 'Threads a query may use [default: what the plan gives DuckDB, else the CPUs]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l timeout -d 'How long a query may take, as in 30s [default: 5min]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l examples -d 'How many example questions' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand schema" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l source -d 'Data to ask, as [NAME=]PATH: a CSV, TSV, JSON, NDJSON, Parquet, SQLite or DuckDB file, a folder or a pattern of them, postgres://…, - for stdin, or a name of [sources] in llmsql.toml; may be repeated [default: all of [sources]]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l memory -d 'Memory a query may use, as in 2GB; the programs themselves take some 150 MB more, and a query that holds more than a quarter and 256 MB beyond is ended [default: what the plan gives DuckDB, else half of the memory that is free, within its cgroup\'s limit]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l threads -d 'Threads a query may use [default: what the plan gives DuckDB, else the CPUs]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l timeout -d 'How long a query may take, as in 30s [default: 5min]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l table -d 'Write this table, numbers that count time since 1970 as numbers' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l sql -d 'Write the rows of this SELECT' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -s o -l output -d 'The file, as in orders.parquet; with --partition-by the folder' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l partition-by -d 'Write a file for each span of time in this column' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l every -d 'How long each span is' -r -f -a "day\t'A file a day: year=2026/month=03/day=01'
month\t'A file a month: year=2026/month=03'
year\t'A file a year: year=2026'"
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l level -d 'zstd\'s level' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l row-group -d 'Rows of a row group' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l register -d 'Put a view over the export into this DuckDB file' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l view -d 'The view\'s name [default: the table\'s, or the path\'s, with _archive]' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand export" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -f -a "check" -d 'Show a file\'s size, free blocks, WAL and tables, and DuckDB\'s memory by component; nothing is written'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -f -a "maintain" -d 'Renew the statistics (ANALYZE) and write the WAL into the file (CHECKPOINT), within the memory of the plan'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and not __fish_seen_subcommand_from check maintain help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from check" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from check" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from check" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from check" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from maintain" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from maintain" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from maintain" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from maintain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from maintain" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from help" -f -a "check" -d 'Show a file\'s size, free blocks, WAL and tables, and DuckDB\'s memory by component; nothing is written'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from help" -f -a "maintain" -d 'Renew the statistics (ANALYZE) and write the WAL into the file (CHECKPOINT), within the memory of the plan'
complete -c llmsql -n "__fish_llmsql_using_subcommand duckdb; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -f -a "list" -d 'Show the extensions that are there and those that DuckDB knows of'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -f -a "install" -d 'Put extensions into the folder and prove that they load; nothing is fetched unless a registry is named'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -f -a "verify" -d 'Load every extension of the folder: signature, version and platform are DuckDB\'s own checks'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -f -a "sql" -d 'Print the SQL that loads what is installed, with the settings of HTTP and S3'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and not __fish_seen_subcommand_from list install verify sql help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -l dir -d 'The folder [default: duckdb.extension_directory of llmsql.toml, else /var/lib/duckdb/extensions as root, else ~/.duckdb/extensions]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l from -d 'A file, a folder of them, the URL of a registry, or core or community, which DuckDB knows' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l sha256 -d 'The sum that the file has to have, as it is fetched' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l ca-file -d 'Certificates that stand in for the system\'s' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l dir -d 'The folder [default: duckdb.extension_directory of llmsql.toml, else /var/lib/duckdb/extensions as root, else ~/.duckdb/extensions]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -l force -d 'Install what is there already, too'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from install" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -l dir -d 'The folder [default: duckdb.extension_directory of llmsql.toml, else /var/lib/duckdb/extensions as root, else ~/.duckdb/extensions]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from verify" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l http-timeout -d 'How long a request may take; DuckDB counts in seconds' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l http-retries -d 'How often a request is tried again' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l s3-region -d 'The region of S3\'s buckets' -r
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l dir -d 'The folder [default: duckdb.extension_directory of llmsql.toml, else /var/lib/duckdb/extensions as root, else ~/.duckdb/extensions]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l format -d 'Form of the result on stdout; query has csv, jsonl, markdown and parquet as well' -r -f -a "table\t'For people'
json\t'For programs: one JSON document'
yaml\t'For programs: one YAML document'"
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l root -d 'A tree that stands for the host\'s file system, such as a mounted image' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -l config -d 'The operator\'s file [default: ./llmsql.toml if there is one, else /etc/llmsql/llmsql.toml]' -r -F
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from sql" -s V -l version -d 'Print version'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show the extensions that are there and those that DuckDB knows of'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from help" -f -a "install" -d 'Put extensions into the folder and prove that they load; nothing is fetched unless a registry is named'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Load every extension of the folder: signature, version and platform are DuckDB\'s own checks'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from help" -f -a "sql" -d 'Print the SQL that loads what is installed, with the settings of HTTP and S3'
complete -c llmsql -n "__fish_llmsql_using_subcommand extensions; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "facts" -d 'Show what this host is: CPUs, memory, disks, kernel, limits and what is installed'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "plan" -d 'Show what every setting of the stack should be on this host, and why'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "explain" -d 'Say everything about one setting or one invariant: formula, numbers, caps, who set it, limits'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "render" -d 'Write the plan as configuration files, each value below its reason'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "diff" -d 'Show what the plan would change on this host: every setting with its reason, every file, every kernel value'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "apply" -d 'Put the plan on this host: validate, replace all files or none, reload, verify; whatever fails is taken back'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "rollback" -d 'Take a generation back: files and kernel values as they were before it, as a new generation'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "recover" -d 'End a change that a kill, a crash or a loss of power has interrupted'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "history" -d 'Show what was changed on this host, when and by whom, newest first; with a number, what that generation changed'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "status" -d 'Show what has drifted since the last apply: files, running values, and the plan itself'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "profile" -d 'Show the profiles: what each is for, which one this host gets and why, and what it sets'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "config" -d 'Read and change llmsql.toml, the operator\'s own values'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "man" -d 'Print the manual page, or write all of them into a folder'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "index" -d 'Keep pgvector\'s indexes right: list, plan, rebuild without a moment without an index, measure recall'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "harden" -d 'Check a live database for what should be safer, and make it so: privileges, rows, TLS, logins, logging'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "secrets" -d 'Make secrets, show what is due, rotate them everywhere at once, and bring them back'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "apikey" -d 'Make, list, revoke and rotate API keys, with the tiers that nginx and the API know'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "token" -d 'Sign, check and read JSON Web Tokens with the keys of the env file'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "query" -d 'Ask data in plain English: files, folders, SQLite, DuckDB, PostgreSQL'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "schema" -d 'Show what can be asked: tables, columns, types, keys, row counts, example questions'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "export" -d 'Write a table, a SELECT or a question\'s answer as Parquet: zstd, whole or not at all, by date if wanted'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "duckdb" -d 'Look after DuckDB files: what they hold, statistics, checkpoints'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "extensions" -d 'Show, install and prove DuckDB\'s extensions'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and not __fish_seen_subcommand_from facts plan explain render diff apply rollback recover history status profile config completions man index harden secrets apikey token query schema export duckdb extensions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "list" -d 'List the profiles; the one in force on this host is marked with *'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from profile" -f -a "show" -d 'Show one profile as it works out on this host: why it is in force, every value and where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "get" -d 'Print the value in effect: from the environment, llmsql.toml or the profile'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "set" -d 'Set a key in llmsql.toml; comments, order and formatting stay as they are'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "unset" -d 'Remove a key from llmsql.toml, so that the profile sets it or the plan derives it'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "list" -d 'List every value in effect with where it comes from'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from index" -f -a "list" -d 'Show every ivfflat and hnsw index: rows, lists it has and should have, probes, size, last build, last verdict'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from index" -f -a "plan" -d 'Say for each index whether to rebuild it and why, what that takes, and what stands in its way'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from index" -f -a "rebuild" -d 'Rebuild indexes while queries go on using them'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from index" -f -a "recall" -d 'Measure how many of the nearest rows queries find, and find the smallest probes for a target'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from harden" -f -a "check" -d 'Say what should be safer, why, and by which exact SQL; nothing is changed'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from harden" -f -a "apply" -d 'Make the changes that check shows, prove them by logins, and undo them if one fails'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from harden" -f -a "rollback" -d 'Take back what the last run changed, or an interrupted one'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "init" -d 'Make the env file: the template with every <generate…> filled at random, mode 0600 from the first byte'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "status" -d 'Show each secret\'s age, where it is used, what is due, weak or open to others; never a value'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "rotate" -d 'Rotate secrets everywhere at once: env file, server and PgBouncer, proved by logins before it is final'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "verify" -d 'Log in with every secret everywhere it should work; 12 where one does not'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "restore" -d 'Bring earlier values back: env file, server and PgBouncer, proved by logins as a rotation is'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from secrets" -f -a "recover" -d 'Finish or undo a rotation that a kill, a crash or a lost server has interrupted'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from apikey" -f -a "create" -d 'Make a key and print it: this once'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from apikey" -f -a "list" -d 'Show every key: id, name, tier and its limits, whether nginx has it; never the key'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from apikey" -f -a "revoke" -d 'End a key: it is out of nginx\'s map at once, and refused from nginx\'s next reload on'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from apikey" -f -a "rotate" -d 'Make a key in the place of another, with its name and tier, and end the old one'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from apikey" -f -a "check" -d 'Say whose key this is, or that it is none (12)'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "mint" -d 'Sign a token and print it'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "verify" -d 'Check a token: signature, expiry, audience, key; print what it says, or end with 12'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "inspect" -d 'Print a token\'s header and claims; nothing of it is checked'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "public" -d 'Print the public keys of EdDSA as a JSON Web Key Set, for services that only check tokens'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from query" -f -a "history" -d 'Show what was asked, newest first: questions, those of --batch, and SQL; mark right answers, or forget all'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from duckdb" -f -a "check" -d 'Show a file\'s size, free blocks, WAL and tables, and DuckDB\'s memory by component; nothing is written'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from duckdb" -f -a "maintain" -d 'Renew the statistics (ANALYZE) and write the WAL into the file (CHECKPOINT), within the memory of the plan'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from extensions" -f -a "list" -d 'Show the extensions that are there and those that DuckDB knows of'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from extensions" -f -a "install" -d 'Put extensions into the folder and prove that they load; nothing is fetched unless a registry is named'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from extensions" -f -a "verify" -d 'Load every extension of the folder: signature, version and platform are DuckDB\'s own checks'
complete -c llmsql -n "__fish_llmsql_using_subcommand help; and __fish_seen_subcommand_from extensions" -f -a "sql" -d 'Print the SQL that loads what is installed, with the settings of HTTP and S3'
