//! Rules of [`Sql`] that only the real runtime can break.

use alloc::borrow::Cow;

use nacre_pds::host::{Outcome, Row, Sql, SqlError, SqlErrorKind, Value};

/// Returns the rules that are broken.
pub(super) fn broken_rules(sql: &dyn Sql) -> Result<Vec<&'static str>, SqlError> {
    run(sql, "drop table if exists test_values")?;
    run(sql, "create table test_values (id integer primary key, value)")?;
    run(sql, "drop table if exists test_integers")?;
    run(sql, "create table test_integers (value integer not null)")?;
    let mut rules = values_round_trip(sql)?;
    rules.extend(errors_are_values(sql));
    rules.extend(ended_queries_release_locks(sql)?);
    rules.extend(long_results_are_read_in_batches(sql)?);
    rules.extend(transactions_are_atomic(sql)?);
    let broken = rules.into_iter().filter(|(_, holds)| !holds);
    Ok(broken.map(|(rule, _)| rule).collect())
}

type Rules = Vec<(&'static str, bool)>;

fn values_round_trip(sql: &dyn Sql) -> Result<Rules, SqlError> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let values = [
        Value::Null,
        Value::Text(Cow::Borrowed("")),
        Value::Text(Cow::Borrowed("zwölf \u{1f9ea}\0 end")),
        Value::Blob(Cow::Borrowed(&[])),
        Value::Blob(Cow::Owned(every_byte)),
        Value::Blob(Cow::Owned(vec![7; 2_000_000])),
    ];
    let mut rules = Vec::new();
    for value in &values {
        sql.query(
            "insert or replace into test_values values (1, ?)",
            core::slice::from_ref(value),
            &mut ignore,
        )?;
        rules.push((
            "a value is read back unchanged",
            one(sql, "select value from test_values")? == *value,
        ));
    }
    for integer in [0, 1, -1, i64::from(i32::MIN), 4_294_967_296, SAFE, -SAFE] {
        let value = Value::Integer(integer);
        sql.query("delete from test_integers", &[], &mut ignore)?;
        sql.query(
            "insert into test_integers values (?)",
            core::slice::from_ref(&value),
            &mut ignore,
        )?;
        rules.push((
            "an integer is read back unchanged",
            one(sql, "select value from test_integers")? == value,
        ));
        let kind = one(sql, "select typeof(value) from test_integers")?;
        rules.push(("an integer is stored as one", kind == Value::Text("integer".into())));
    }
    let mut limited = 0;
    let mut count = |_: &dyn Row| {
        limited += 1;
        Ok(())
    };
    let series = "select value from json_each('[1,2,3]') limit ?";
    sql.query(series, &[Value::Integer(2)], &mut count)?;
    rules.push(("a limit can be a parameter", limited == 2));
    Ok(rules)
}

fn errors_are_values(sql: &dyn Sql) -> Rules {
    use SqlErrorKind::{Constraint, Other, TooLarge};
    let fails = |statement: &'static str, params: &[Value<'_>]| {
        sql.query(statement, params, &mut ignore).is_err()
    };
    let kind = |statement: &'static str, params: &[Value<'_>]| {
        sql.query(statement, params, &mut ignore).err().map(|error| error.kind)
    };
    let conflict = "insert into test_values values (1, null)";
    let large = Value::Blob(Cow::Owned(vec![0; 2_000_001]));
    let mut seen = 0;
    let stopped = sql.query("select 1 union all select 2", &[], &mut |_| {
        seen += 1;
        Err(SqlError::other("enough"))
    });
    let _ = run(sql, "insert or replace into test_values values (1, null)");
    vec![
        ("bad syntax is another error", kind("selec 1", &[]) == Some(Other)),
        ("a missing table is an error", fails("select * from test_nowhere", &[])),
        ("a conflict is a constraint error", kind(conflict, &[]) == Some(Constraint)),
        ("a missing parameter is an error", fails("select ?", &[])),
        ("a spare parameter is an error", fails("select 1", &[Value::Null])),
        ("an error while stepping is an error", fails("select abs(-9223372036854775807 - 1)", &[])),
        ("a parameter beyond 2^53 is an error", fails("select ?", &[Value::Integer(SAFE + 1)])),
        ("a column beyond 2^53 is an error", fails("select 9007199254740992", &[])),
        ("a fraction is an error", fails("select 0.5", &[])),
        ("a value over 2 MB is too large", kind("select length(?)", &[large]) == Some(TooLarge)),
        ("an explicit transaction is an error", fails("begin", &[])),
        ("an error from a row callback ends the query", stopped.is_err() && seen == 1),
        ("the next statement works", !fails("select 1", &[])),
    ]
}

/// Checks that a query ended by its row callback does not keep its tables locked.
fn ended_queries_release_locks(sql: &dyn Sql) -> Result<Rules, SqlError> {
    run(sql, "drop table if exists test_ended")?;
    run(sql, "create table test_ended (value integer not null)")?;
    run(sql, "insert into test_ended values (1), (2), (3)")?;
    let ended =
        sql.query("select value from test_ended", &[], &mut |_| Err(SqlError::other("enough")));
    let dropped = run(sql, "drop table test_ended");
    Ok(vec![("a query that ended early locks no table", ended.is_err() && dropped.is_ok())])
}

/// Reads rows that do not fit into one crossing, to the end and in part.
fn long_results_are_read_in_batches(sql: &dyn Sql) -> Result<Rules, SqlError> {
    const SIZES: [usize; 6] = [9_000, 9_000, 1, 40_000, 9_000, 2];
    run(sql, "drop table if exists test_long")?;
    run(sql, "create table test_long (value blob not null)")?;
    for size in SIZES {
        let value = Value::Blob(Cow::Owned(vec![7; size]));
        sql.query("insert into test_long values (?)", &[value], &mut ignore)?;
    }
    let all = "select value from test_long order by rowid";
    let mut sizes = Vec::new();
    sql.query(all, &[], &mut |row| {
        if let Value::Blob(bytes) = row.value(0) {
            sizes.push(bytes.len());
        }
        Ok(())
    })?;
    let mut count = 0;
    let ended = sql.query(all, &[], &mut |_| {
        count += 1;
        if count < 3 { Ok(()) } else { Err(SqlError::other("enough")) }
    });
    let dropped = run(sql, "drop table test_long");
    Ok(vec![
        ("a long result is read whole", sizes == SIZES),
        ("a long result that ended early locks no table", ended.is_err() && dropped.is_ok()),
    ])
}

fn transactions_are_atomic(sql: &dyn Sql) -> Result<Rules, SqlError> {
    let insert = "insert into test_integers values (1)";
    let count = "select count(*) from test_integers";
    run(sql, "delete from test_integers")?;
    let mut inside = Ok(());
    sql.transaction(&mut || {
        inside = run(sql, insert);
        Outcome::Rollback
    })?;
    let undone = integer(sql, count)?;
    sql.transaction(&mut || {
        inside = run(sql, insert);
        // A failed statement does not fail the transaction.
        let _ = run(sql, "selec 1");
        Outcome::Commit
    })?;
    Ok(vec![
        ("a statement runs in a transaction", inside.is_ok()),
        ("a rollback undoes all writes", undone == 0),
        ("a commit keeps all writes", integer(sql, count)? == 1),
    ])
}

pub(super) fn run(sql: &dyn Sql, statement: &'static str) -> Result<(), SqlError> {
    sql.query(statement, &[], &mut ignore)
}

/// Returns the first column of the last row.
fn one(sql: &dyn Sql, statement: &'static str) -> Result<Value<'static>, SqlError> {
    let mut found = Value::Null;
    sql.query(statement, &[], &mut |row| {
        found = match row.value(0) {
            Value::Blob(bytes) => Value::Blob(Cow::Owned(bytes.into_owned())),
            Value::Integer(integer) => Value::Integer(integer),
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        };
        Ok(())
    })?;
    Ok(found)
}

pub(super) fn integer(sql: &dyn Sql, statement: &'static str) -> Result<i64, SqlError> {
    match one(sql, statement)? {
        Value::Integer(integer) => Ok(integer),
        other => Err(SqlError::other(format!("{other:?} is not an integer"))),
    }
}

fn ignore(_: &dyn Row) -> Result<(), SqlError> {
    Ok(())
}

/// The largest integer that a JavaScript number represents exactly: `Number.MAX_SAFE_INTEGER`.
const SAFE: i64 = 9_007_199_254_740_991;
