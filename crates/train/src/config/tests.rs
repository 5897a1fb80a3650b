use super::*;

#[test]
fn reads_back_what_it_wrote() {
    let config = Config {
        seed: Config::MAX_SEED,
        learning_rate: 0.1 + 0.2,
        limit_train: Some(1_000),
        scaling: Scaling::Standard,
        init: Init::PyTorch,
        ..Config::default()
    };
    let text = config.to_toml().unwrap();
    assert_eq!(Config::from_toml(&text).unwrap(), config);
}

#[test]
fn a_part_is_enough() {
    let config = Config::from_toml("\u{feff}epochs = 3\r\n").unwrap();
    assert_eq!(
        config,
        Config {
            epochs: 3,
            ..Config::default()
        }
    );
}

/// FAULTS B15.
#[test]
fn syntax_errors_say_where() {
    for (text, place) in [
        ("epochs = 3\nepoch = 4\n", "line 2, column 1"),
        ("seed = \"seven\"\n", "line 1, column 8"),
        ("padding = \"reflect\"\n", "line 1, column 11"),
        ("epochs = \n", "line 1, column 10"),
    ] {
        let error = Config::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(place), "{text:?}: {error}");
    }
    let unknown = Config::from_toml("epoch = 4").unwrap_err().to_string();
    assert!(
        unknown.contains("unknown field `epoch`") && unknown.contains("`epochs`"),
        "{unknown}"
    );
}

/// FAULTS A23.
#[test]
fn values_out_of_range_are_named_with_their_range() {
    for (text, message) in [
        ("epochs = 0", "epochs 0: must be between 1 and 100000"),
        (
            "batch_size = 0",
            "batch_size 0: must be between 1 and 65536",
        ),
        (
            "batch_size = 65537",
            "batch_size 65537: must be between 1 and 65536",
        ),
        (
            "learning_rate = 0.0",
            "learning_rate 0: must be a finite number above 0",
        ),
        (
            "learning_rate = -1e-3",
            "learning_rate -0.001: must be a finite number above 0",
        ),
        (
            "learning_rate = nan",
            "learning_rate NaN: must be a finite number above 0",
        ),
        (
            "learning_rate = inf",
            "learning_rate inf: must be a finite number above 0",
        ),
        ("limit_train = 0", "limit_train 0: must be 1 or more"),
    ] {
        assert_eq!(Config::from_toml(text).unwrap_err().to_string(), message);
    }
}
