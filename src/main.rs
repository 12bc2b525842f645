//! crossguard: the daemon, its commands and the simulated exchange in one binary.

fn main() -> std::process::ExitCode {
    crossguard::cli::main()
}
