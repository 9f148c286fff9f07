use std::process::ExitCode;

fn main() -> ExitCode {
    llmsql::cli::main(std::env::args_os())
}
