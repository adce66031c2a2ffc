use crate::command::Godwit;

#[tokio::test]
async fn a_wrong_service_is_answered_with_the_right_ones() {
    for arguments in [["--target=auht"], ["--target=auth,chatt"]] {
        let said = Godwit::alone().run(&arguments).await;
        assert_eq!(said.code, Some(2));
        assert!(said.stderr.contains("GODWIT_TARGET") && said.stderr.contains("call-signaling"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn help_lists_the_commands_and_the_options_of_what_would_run() {
    let all = Godwit::alone().run(&["--help"]).await;
    assert_eq!(all.code, Some(0));
    for word in ["migrate", "doctor", "dev", "call-members", "--target", "--gateway-listen", "GODWIT_AUTH_SMTP_URL"] {
        assert!(all.stdout.contains(word), "{word} is missing:\n{}", all.stdout);
    }
    let one = Godwit::alone().run(&["--target=auth", "--help"]).await;
    assert!(one.stdout.contains("--auth-smtp-url") && !one.stdout.contains("--gateway-listen"), "{}", one.stdout);
}

#[tokio::test]
async fn help_shows_no_secret() {
    let said = Godwit::alone().with("GODWIT_DATABASE_ROLE_PASSWORD", "hunter2").run(&["--help"]).await;
    assert!(!said.stdout.contains("hunter2"));
}

#[tokio::test]
async fn the_options_of_a_service_that_does_not_run_are_refused() {
    let said = Godwit::alone().run(&["--target=auth", "--gateway-listen=127.0.0.1:0"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("--gateway-listen"), "{}", said.stderr);
}

#[tokio::test]
async fn the_documentation_is_printed() {
    let said = Godwit::alone().run(&["config"]).await;
    assert_eq!(said.code, Some(0));
    assert!(said.stdout.starts_with("# Configuration") && said.stdout.contains("`GODWIT_DATABASE_URL`"));
}
