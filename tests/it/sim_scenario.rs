//! The scenario format: its page can be read, its mistakes are all told with their places.

use crossguard::scenario::{Scenario, Statement, parse_line};

#[test]
fn every_example_of_the_page_can_be_read() {
    let page = include_str!("../../docs/scenario.md");
    let mut examples = 0;
    for block in page.split("```scenario\n").skip(1) {
        let text = block.split("```").next().unwrap();
        if let Err(mistakes) = Scenario::parse(text) {
            panic!("{mistakes:#?}");
        }
        examples += 1;
    }
    assert_eq!(examples, 5);
}

#[test]
fn every_statement_of_the_page_has_an_example() {
    let page = include_str!("../../docs/scenario.md");
    let examples: Vec<&str> = page.split("```scenario\n").skip(1).collect();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let verb: String = row
            .chars()
            .skip(3)
            .take_while(|c| !" `".contains(*c))
            .collect();
        let line = |text: &&str| {
            text.lines()
                .any(|line| line.split(' ').any(|word| word == verb))
        };
        assert!(examples.iter().any(line), "`{verb}` has no example");
    }
}

#[test]
fn all_mistakes_are_told_with_line_and_column() {
    let text = "wallet USDT ten\n\npos BTCUSDT crossed 20x 0.5 at 60000\nfrobnicate\n\
                order 币安人生USDT buy 1 @ 2 reduce-onyl\nmark BTCUSDT 1 2\nsend user \"open";
    let mistakes: Vec<String> = Scenario::parse(text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        mistakes,
        [
            "line 1, column 13: expected an amount, found `ten`",
            "line 3, column 29: expected `@`, found `at`",
            "line 4, column 1: unknown statement `frobnicate`",
            "line 5, column 26: expected an option such as `reduce-only`, `long`, `stop` or `id`, \
             found `reduce-onyl`",
            "line 6, column 16: expected the end of the line, found `2`",
            "line 7, column 11: quote is not closed",
        ]
    );
}

#[test]
fn a_named_table_stands_wherever_it_is_asked_for() {
    let text = "table T 0 10 0.01 50x | 10 20 0.02 25x\nbrackets AAA as T\nbrackets BBB as T\n";
    let scenario = Scenario::parse(text).unwrap();
    let written = Scenario::parse("brackets BBB 0 10 0.01 50x | 10 20 0.02 25x").unwrap();
    assert_eq!(scenario.lines.len(), 2);
    assert_eq!(scenario.lines[1].statement, written.lines[0].statement);
    let mistakes = Scenario::parse("brackets AAA as T\ntable T 0 10 0.01 50x").unwrap_err();
    assert_eq!(
        mistakes[0].to_string(),
        "line 1, column 17: expected the name of a `table` above, found `T`"
    );
}

#[test]
fn numbers_are_plain_and_bounded() {
    let long = "1".repeat(29);
    for bad in ["1e3", "1_000", "", "--1", "NaN", &long] {
        assert!(
            parse_line(&format!("wallet USDT \"{bad}\"")).is_err(),
            "{bad}"
        );
    }
    assert!(parse_line(&"x".repeat(20_000)).is_err());
    assert_eq!(parse_line("   # nothing").unwrap(), None);
}

#[test]
fn expectations_are_kept_as_written() {
    let line = parse_line("at 2s expect  reject  X # why")
        .unwrap()
        .unwrap();
    let Statement::At { statement, .. } = line else {
        panic!("{line:?}")
    };
    assert_eq!(*statement, Statement::Expect("reject  X".into()));
}
