//! Counts how often each library that validates lexicons disagrees with the interoperability
//! suite, and fails if ours does. `cargo xtask validators` builds and runs it; `--wrong` lists
//! each wrong answer.

mod atproto;
mod jacquard;
mod nacre;
mod proto_blue;
mod slices;
mod suite;
mod validator;

use core::ptr;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::process::ExitCode;
use std::{env, io};

use suite::{COLUMNS, Case, Column, Input, Suite};
use validator::Validator;

const VALIDATORS: &[&dyn Validator] = &[
    &nacre::Nacre,
    &proto_blue::ProtoBlue,
    &atproto::Atproto,
    &jacquard::Jacquard,
    &slices::Slices,
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let lists = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [only] if only == "--wrong" => true,
        _ => return Err(io::Error::other("of all options only --wrong is known")),
    };
    let suite = Suite::read()?;
    let hook = take_hook();
    // Panics are answers here, and told with the others.
    set_hook(Box::new(|_| {}));
    let results: Vec<_> = VALIDATORS.iter().map(|validator| judge(*validator, &suite)).collect();
    set_hook(hook);
    println!("{}", table(&suite, &results));
    if lists {
        for (validator, result) in VALIDATORS.iter().zip(&results) {
            println!("\n{}\n{}", validator.name(), list(&suite, result).trim_end());
        }
    }
    let ours = suite.cases.iter().zip(results.first().into_iter().flatten());
    match ours.filter(|(case, answer)| answer.is_wrong(case)).count() {
        0 => Ok(()),
        wrong => Err(io::Error::other(format!("{wrong} answers of ours are wrong"))),
    }
}

/// What a library said of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Valid,
    Invalid,
    Panic,
    /// It has no check for this.
    None,
}

impl Answer {
    fn is_wrong(self, case: &Case) -> bool {
        match self {
            Self::Valid => !case.valid,
            Self::Invalid => case.valid,
            Self::Panic => true,
            Self::None => false,
        }
    }
}

/// Puts every case to a library.
fn judge(validator: &dyn Validator, suite: &Suite) -> Vec<Answer> {
    let ask = |case: &Case| match &case.input {
        Input::Text { format, text } => Some(validator.format(format, text)),
        Input::Document(document) => Some(validator.document(document)),
        Input::Record(record) => Some(validator.record(&suite.schema, &suite.collection, record)),
        Input::Data(data) => validator.data(data),
    };
    let answer = |case: &Case| match catch_unwind(AssertUnwindSafe(|| ask(case))) {
        Ok(Some(true)) => Answer::Valid,
        Ok(Some(false)) => Answer::Invalid,
        Ok(None) => Answer::None,
        Err(_) => Answer::Panic,
    };
    suite.cases.iter().map(answer).collect()
}

fn table(suite: &Suite, results: &[Vec<Answer>]) -> String {
    let of = |column: &Column| suite.cases.iter().filter(|case| is_in(case, column)).count();
    let heads = COLUMNS.iter().map(|column| format!(" {} of {} |", column.heading, of(column)));
    let mut table = format!("| wrong answers |{}\n", heads.collect::<String>());
    table += &format!("|---|{}", "---|".repeat(COLUMNS.len()));
    for (validator, result) in VALIDATORS.iter().zip(results) {
        let cells = COLUMNS.iter().map(|column| format!(" {} |", cell(suite, result, column)));
        table += &format!("\n| {} |{}", validator.name(), cells.collect::<String>());
    }
    table
}

/// How many answers are wrong in a column.
fn cell(suite: &Suite, result: &[Answer], column: &Column) -> String {
    let cases = || suite.cases.iter().zip(result).filter(|(case, _)| is_in(case, column));
    if cases().all(|(_, answer)| *answer == Answer::None) {
        return "–".to_owned();
    }
    cases().filter(|(case, answer)| answer.is_wrong(case)).count().to_string()
}

fn is_in(case: &Case, column: &Column) -> bool {
    ptr::eq(case.column, column)
}

/// The wrong answers, file by file.
fn list(suite: &Suite, result: &[Answer]) -> String {
    let mut list = String::new();
    let mut wrong: Vec<_> =
        suite.cases.iter().zip(result).filter(|(case, answer)| answer.is_wrong(case)).collect();
    while let Some(&(first, _)) = wrong.first() {
        let count = wrong.iter().take_while(|(case, _)| case.file == first.file).count();
        list += &format!("  {}: {count}\n", first.file);
        for (case, answer) in wrong.drain(..count) {
            let panic = if *answer == Answer::Panic { "panics at " } else { "" };
            list += &format!("    {panic}{:?}\n", case.name);
        }
    }
    list
}
