use std::{collections::BTreeSet, error::Error as _, io::Write as _};

use super::*;

const EXAMPLE: &str = include_str!("../../../deploy/thawd.toml");

fn machine() -> Machine {
    Machine {
        memory_mb: 8_192,
        cpus: 4,
        program_dir: PathBuf::from("/usr/bin"),
        ssl_cert_file: Some(PathBuf::from("/etc/ssl/certs/ca-certificates.crt")),
    }
}

fn defaults() -> Config {
    Config::defaults(Path::new(DEFAULT_RUN_DIR), &machine())
}

/// The settings with these flags, the rest as they default on [`machine`].
fn with_flags(flags: &[&str]) -> Result<Config, ConfigError> {
    CommandLine::read([&["thawd"], flags].concat()).unwrap().config_on(&machine())
}

/// The settings with this file and these flags.
fn with_file(text: &str, flags: &[&str]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    with_flags(&[&["--config", path], flags].concat())
}

fn refusal(flags: &[&str]) -> String {
    with_flags(flags).unwrap_err().to_string()
}

/// Settings of which none is absent, so that all are serialised.
fn whole() -> Config {
    Config {
        socket_group: Some("thaw".to_owned()),
        aws_credentials: Some(PathBuf::from("/etc/thaw/credentials.toml")),
        function_url_base: Some("https://functions.example.org".to_owned()),
        redis_url: Some("redis://127.0.0.1:6379".to_owned()),
        sqs_endpoint: Some("http://127.0.0.1:9324".to_owned()),
        sqs_credentials: Some(PathBuf::from("/etc/thaw/sqs.toml")),
        sns_endpoint: Some("http://127.0.0.1:5000".to_owned()),
        sns_credentials: Some(PathBuf::from("/etc/thaw/sns.toml")),
        s3_endpoint: Some("http://127.0.0.1:5000".to_owned()),
        s3_credentials: Some(PathBuf::from("/etc/thaw/s3.toml")),
        kinesis_endpoint: Some("http://127.0.0.1:5000".to_owned()),
        kinesis_credentials: Some(PathBuf::from("/etc/thaw/kinesis.toml")),
        dynamodb_endpoint: Some("http://127.0.0.1:5000".to_owned()),
        dynamodb_credentials: Some(PathBuf::from("/etc/thaw/dynamodb.toml")),
        nats_url: Some("nats://127.0.0.1:4222".to_owned()),
        ..defaults()
    }
}

/// Every setting's name.
fn settings() -> BTreeSet<String> {
    to_table(&whole()).unwrap().keys().cloned().collect()
}

#[test]
fn every_setting_has_a_flag_and_an_environment_variable_of_its_name() {
    let command = Arguments::command();
    let not_settings = ["config", "check_config"];
    let mut found = BTreeSet::new();
    for argument in
        command.get_arguments().filter(|argument| !not_settings.contains(&argument.get_id().as_str()))
    {
        let setting = argument.get_id().to_string();
        assert_eq!(argument.get_long().unwrap(), setting.replace('_', "-"));
        assert_eq!(argument.get_env().unwrap().to_str().unwrap(), format!("THAW_{}", setting.to_uppercase()));
        assert!(argument.get_help().is_some(), "{setting} has no help");
        found.insert(setting);
    }
    assert_eq!(found, settings());
}

#[test]
fn every_setting_can_be_given_in_the_file() {
    let whole = whole();
    assert_eq!(with_file(&whole.to_toml().unwrap(), &[]).unwrap(), whole);
}

#[test]
fn without_any_source_the_defaults_count() {
    assert_eq!(with_flags(&[]).unwrap(), defaults());
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let config = with_file("region = \"eu-west-1\"\npids_limit = 99\n", &["--region", "eu-north-1"]).unwrap();
    assert_eq!(config.region, "eu-north-1");
    assert_eq!(config.pids_limit, 99);
    assert_eq!(config.idle_timeout_seconds, 600);
}

/// The environment of a process is set before it starts, so this test starts itself again with one.
#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_the_environment() {
    if std::env::var_os("THAW_PIDS_LIMIT").is_none() {
        let name = std::thread::current().name().unwrap().to_owned();
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .envs([("THAW_PIDS_LIMIT", "77"), ("THAW_REGION", "eu-west-1")])
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    let config =
        with_file("pids_limit = 99\nregion = \"eu-south-1\"\n", &["--region", "eu-north-1"]).unwrap();
    assert_eq!(config.pids_limit, 77);
    assert_eq!(config.region, "eu-north-1");
    let error = with_flags(&["--region", "X"]).unwrap_err().to_string();
    assert!(error.ends_with("(from --region)"), "{error}");
}

#[test]
fn the_socket_follows_the_run_directory_unless_it_is_given() {
    let moved = with_file("run_dir = \"/run/other\"\n", &[]).unwrap();
    assert_eq!(moved.socket, Path::new("/run/other/thawd.sock"));
    let given = with_flags(&["--run-dir", "/run/other", "--socket", "/run/s"]).unwrap();
    assert_eq!(given.socket, Path::new("/run/s"));
}

#[test]
fn a_value_out_of_range_is_refused_with_its_name_range_and_origin() {
    assert_eq!(
        refusal(&["--idle-timeout-seconds", "0"]),
        "idle_timeout_seconds: 0 is not allowed; give 1 to 86400 (from --idle-timeout-seconds)"
    );
    let from_file = with_file("pids_limit = 3\n", &[]).unwrap_err().to_string();
    assert!(from_file.starts_with("pids_limit: 3 is not allowed; give 16 to 65536 (from /"), "{from_file}");
    let small = Machine { memory_mb: 100, ..machine() };
    let from_default = CommandLine::read(["thawd"]).unwrap().config_on(&small).unwrap_err().to_string();
    assert_eq!(from_default, "memory_budget_mb: 75 is not allowed; give 128 to 67108864 (its default)");
}

#[test]
fn an_origin_in_the_environment_is_named_by_its_variable() {
    let origins = Origins(BTreeMap::from([(
        "idle_timeout_seconds".to_owned(),
        Origin::Environment("THAW_IDLE_TIMEOUT_SECONDS".to_owned()),
    )]));
    let config = Config { idle_timeout_seconds: 0, ..defaults() };
    assert_eq!(
        check::check(&config, &origins).unwrap_err().to_string(),
        "idle_timeout_seconds: 0 is not allowed; give 1 to 86400 (from THAW_IDLE_TIMEOUT_SECONDS)"
    );
}

#[test]
fn a_ca_bundle_from_the_environment_is_checked_as_any_other() {
    let machine = Machine { ssl_cert_file: Some(PathBuf::from("ca.pem")), ..machine() };
    let error = CommandLine::read(["thawd"]).unwrap().config_on(&machine).unwrap_err().to_string();
    assert_eq!(
        error,
        "ca_bundle: \"ca.pem\" is not allowed; give an absolute path without `..` (from SSL_CERT_FILE)"
    );
}

#[test]
fn paths_that_mean_different_things_in_different_places_are_refused() {
    for flags in [["--data-dir", "thaw"], ["--init", "./thaw-init"], ["--socket", "/run/../s"]] {
        let error = refusal(&flags);
        assert!(error.contains("give an absolute path without `..`"), "{error}");
    }
    assert!(refusal(&["--data-dir", "/"]).starts_with("data_dir: / is not allowed"));
    assert!(refusal(&["--socket", &format!("/{}", "s".repeat(107))]).starts_with("socket: /sss"));
}

#[test]
fn a_run_directory_leaves_room_for_the_sockets_below_it() {
    let longest = format!("/{}", "r".repeat(50));
    assert!(with_flags(&["--run-dir", &longest]).is_ok());
    let error = refusal(&["--run-dir", &format!("{longest}r")]);
    assert!(
        error.starts_with("run_dir: /rrr") && error.contains("give a directory of 51 or fewer"),
        "{error}"
    );
}

#[test]
fn the_run_directory_is_apart_from_the_data_directory() {
    for flags in [
        ["--data-dir", "/srv/thaw", "--run-dir", "/srv/thaw/run"],
        ["--data-dir", "/srv/thaw/data", "--run-dir", "/srv/thaw"],
    ] {
        assert!(refusal(&flags).contains("must not contain one another"));
    }
}

#[test]
fn the_aws_api_is_for_this_machine_unless_it_has_credentials_of_its_own() {
    for address in ["127.0.0.1:0", "[::1]:4566", "127.8.8.8:80", "none"] {
        assert!(with_flags(&["--aws-listen", address]).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:4566", "[::]:4566", "192.168.1.2:4566", "[::ffff:192.168.1.2]:80"] {
        let error = refusal(&["--aws-listen", address]);
        assert!(error.contains("everybody may call with the key test"), "{error}");
        assert!(with_flags(&["--aws-listen", address, "--aws-credentials", "/etc/thaw/c.toml"]).is_ok());
    }
    assert!(
        refusal(&["--aws-listen", "localhost"]).starts_with("aws_listen: \"localhost\" is not an address")
    );
    assert!(refusal(&["--aws-credentials", "c.toml"]).starts_with("aws_credentials: "));
}

#[test]
fn function_urls_are_told_with_the_port_of_the_aws_api_unless_there_is_a_base() {
    let address = "127.0.0.1:8080".parse().unwrap();
    assert_eq!(with_flags(&[]).unwrap().url_base(Some(address)), "http://localhost:8080".parse().unwrap());
    let base = with_flags(&["--function-url-base", "https://example.org"]).unwrap().url_base(Some(address));
    assert_eq!(base, "https://example.org".parse().unwrap());
    assert!(refusal(&["--function-url-base", "example.org"]).starts_with("function_url_base: give http://"));
}

#[test]
fn an_address_of_redis_is_checked_and_its_password_is_not_told() {
    for url in ["redis://127.0.0.1:6379", "redis://u:secret@[::1]:7000/3", "unix:///run/redis.sock"] {
        assert!(with_flags(&["--redis-url", url]).is_ok(), "{url}");
    }
    for url in ["127.0.0.1:6379", "http://h", "rediss://u:secret@h", "redis://u:secret@h:x"] {
        let error = refusal(&["--redis-url", url]);
        assert!(error.starts_with("redis_url: is not an address") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn an_address_of_nats_is_checked_and_its_password_is_not_told() {
    for url in ["nats://127.0.0.1:4222", "nats://u:secret@[::1]:4222", "tls://secret@nats.example.com"] {
        assert!(with_flags(&["--nats-url", url]).is_ok(), "{url}");
    }
    for url in ["127.0.0.1:4222", "ws://u:secret@h", "nats://u:secret@", "nats://", "nats://u:secret@h:x"] {
        let error = refusal(&["--nats-url", url]);
        assert!(error.starts_with("nats_url: is not an address") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn an_endpoint_is_an_http_service() {
    assert!(with_flags(&["--sqs-endpoint", "https://sqs.us-east-1.amazonaws.com"]).is_ok());
    for url in ["localhost:9324", "ftp://h", "http://", ""] {
        assert!(refusal(&["--sqs-endpoint", url]).starts_with("sqs_endpoint: is not"), "{url}");
    }
    assert!(refusal(&["--sqs-credentials", "c.toml"]).starts_with("sqs_credentials: "));
}

#[test]
fn names_that_cannot_be_are_refused() {
    assert!(refusal(&["--region", "Ireland"]).starts_with("region: \"Ireland\" is not a region"));
    assert!(refusal(&["--region", ""]).starts_with("region: "));
    assert!(refusal(&["--socket-group", "a b"]).starts_with("socket_group: "));
    assert!(refusal(&["--log-level", "thaw=loud"]).starts_with("log_level: "));
}

#[test]
fn a_log_group_holds_two_segments_at_least() {
    assert_eq!(
        refusal(&["--log-group-max-mb", "10"]),
        "log_group_max_mb: 10 is less than 2 segments of log_segment_mb = 8; give 16 or more, or smaller segments \
         (from --log-group-max-mb)"
    );
}

#[test]
fn a_setting_that_does_not_exist_or_has_the_wrong_type_is_shown_in_its_line() {
    for (text, what) in [
        ("region = \"eu-west-1\"\nreigon = 1\n", "unknown field `reigon`"),
        ("idle_timeout_seconds = \"ten\"\n", "idle_timeout_seconds"),
        ("log_format = \"xml\"\n", "xml"),
        ("idle_timeout_seconds = -1\n", "idle_timeout_seconds"),
        ("[", "line 1"),
    ] {
        let error = with_file(text, &[]).unwrap_err();
        assert!(error.to_string().ends_with("is not valid"), "{error}");
        let detail = error.source().unwrap().to_string();
        assert!(detail.contains(what) && detail.contains("at line"), "{detail}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = with_flags(&["--config", "/nonexistent/thawd.toml"]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /nonexistent/thawd.toml");
}

#[test]
fn accessors_give_units() {
    let config = defaults();
    assert_eq!(config.memory_budget_bytes(), 6 * 1024 * MB);
    assert_eq!(config.idle_timeout(), Duration::from_secs(600));
    assert_eq!(config.log_retention(), Duration::from_secs(14 * 24 * 3600));
    assert_eq!(config.log_invocation_max_bytes(), 10 * MB);
}

#[test]
fn this_machine_has_memory_and_a_program() {
    let machine = Machine::look().unwrap();
    assert!(machine.memory_mb > 128);
    assert!(machine.program_dir.is_dir());
    assert!(parse_memory_mb("MemFree: 3 kB\n").is_err());
}

/// In the example, a line of prose begins with `# ` and a setting with `#`.
#[test]
fn the_example_shows_every_setting_with_its_default() {
    let settings_of_example: String = EXAMPLE
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(|line| format!("{line}\n"))
        .collect();
    let shown: Table = toml::from_str(&settings_of_example).unwrap();
    assert_eq!(shown.keys().cloned().collect::<BTreeSet<_>>(), settings());

    let config = with_file(&settings_of_example, &[]).unwrap();
    // The settings whose default, none, cannot be written.
    let none = Config {
        socket_group: None,
        aws_credentials: None,
        function_url_base: None,
        redis_url: None,
        sqs_endpoint: None,
        sqs_credentials: None,
        sns_endpoint: None,
        sns_credentials: None,
        s3_endpoint: None,
        s3_credentials: None,
        kinesis_endpoint: None,
        kinesis_credentials: None,
        dynamodb_endpoint: None,
        dynamodb_credentials: None,
        nats_url: None,
        ..config
    };
    assert_eq!(none, defaults());
}

#[test]
fn the_example_as_it_is_changes_nothing() {
    assert_eq!(with_file(EXAMPLE, &[]).unwrap(), defaults());
}
