//! The process of the fake internet, by itself.

fn main() -> std::process::ExitCode {
    watchglass_fakenet::process_main()
}
