use rustix::process::{Resource, getrlimit, setrlimit};

/// What a process needs beside its WebSockets at most: HTTP connections, databases, logs.
const OTHERS_MAX: u64 = 2_000;

/// Raises the soft limit of open files to the hard one: each WebSocket is a file, and the soft limit is often 1,024 for the
/// sake of programs that are older than `poll`. Gives how many of `sockets` fit: more are better refused than accepted
/// without a file for them.
pub fn make_room_for(sockets: u32) -> u32 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fitting = fitting(files, sockets);
    if fitting < sockets {
        tracing::info!(
            files,
            sockets = fitting,
            "fewer WebSockets than GODWIT_GATEWAY_MAX_SOCKETS: each needs an open file"
        );
    }
    fitting
}

fn fitting(files: u64, sockets: u32) -> u32 {
    let for_sockets = files - OTHERS_MAX.min(files / 4);
    sockets.min(u32::try_from(for_sockets).unwrap_or(u32::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_leave_files_for_everything_else() {
        for (files, sockets, expected) in [
            (1_024, 100_000, 768),
            (20_000, 100_000, 18_000),
            (1_048_576, 100_000, 100_000),
            (u64::MAX, 7, 7),
            (0, 7, 1),
        ] {
            assert_eq!(fitting(files, sockets), expected, "{files} files");
        }
    }

    #[test]
    fn the_soft_limit_is_raised() {
        make_room_for(1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
