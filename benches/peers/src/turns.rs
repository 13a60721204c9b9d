//! Lets the libraries take turns at each row and keeps the best time of each.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::library::{LIBRARIES, Library, NACRE, SHRIKE};
use crate::limits::{Limit, Machine, Work};
use crate::memory::Taken;
use crate::row::Row;
use crate::world::World;

pub struct Plan {
    pub rows: Vec<Row>,
    pub sizes: Vec<Size>,
    /// The libraries that take part; all if empty.
    pub libraries: Vec<String>,
    /// How long the libraries take turns at one row.
    pub seconds: f64,
    /// The program that measures Nacre.
    pub ours: PathBuf,
    /// The program that measures all others: this one.
    pub theirs: PathBuf,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Size(pub usize);

/// One row at one size.
pub struct RowResult {
    pub row: Row,
    pub size: Size,
    pub cells: Vec<Cell>,
    pub limit: Option<Limit>,
    /// What its time is divided by when sizes are compared, if by anything.
    pub units: Option<f64>,
    /// How many times as long as they say the goals may take that are times.
    pub slowness: f64,
    /// Whether ours does the same as shrike.
    pub agrees: bool,
}

pub struct Cell {
    pub library: &'static Library,
    pub outcome: Outcome,
}

pub enum Outcome {
    /// The best time of an operation, and what it takes of the heap.
    Measured { nanos: f64, taken: Taken },
    /// How many operations gave another result than shrike's, of how many.
    Wrong(usize, usize),
    /// It ended before it was ready.
    Failed,
}

impl Plan {
    pub fn new() -> io::Result<Self> {
        let theirs = std::env::current_exe()?;
        let (rows, sizes) = (Row::ALL.to_vec(), vec![Size(100_000)]);
        let (ours, libraries) = (theirs.clone(), Vec::new());
        Ok(Self { rows, sizes, libraries, seconds: 6.0, ours, theirs })
    }
}

impl Size {
    /// Reads a size as in `10k` or `1m`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "k" => 1_000,
            "m" => 1_000_000,
            _ => return None,
        };
        number.parse().ok().map(|number: usize| Self(number * unit))
    }

    pub fn name(self) -> String {
        match self.0 {
            millions if millions % 1_000_000 == 0 => format!("{}m", millions / 1_000_000),
            thousands => format!("{}k", thousands / 1_000),
        }
    }
}

pub fn run(plan: &Plan) -> io::Result<Vec<RowResult>> {
    let machine = Machine::measure();
    let mut results = Vec::new();
    for (turn, &size) in plan.sizes.iter().enumerate() {
        let work = Work::of(&World::new(size.0));
        for &row in &plan.rows {
            if turn > 0 && !row.is_sized() {
                continue;
            }
            eprintln!("peers: {} at {}", row.facts().name, size.name());
            let mut result = compare(plan, row, size)?;
            result.limit = work.limit(row, &machine);
            result.units = work.units(row);
            result.slowness = machine.slowness();
            results.push(result);
        }
    }
    Ok(results)
}

fn compare(plan: &Plan, row: Row, size: Size) -> io::Result<RowResult> {
    let of_row = |library: &&Library| {
        let is_asked =
            plan.libraries.is_empty() || plan.libraries.iter().any(|name| name == library.name);
        is_asked && library.rows.contains(&row) && size.0 <= library.largest
    };
    let mut workers = Vec::new();
    let mut cells = Vec::new();
    for library in LIBRARIES.iter().filter(of_row) {
        match Worker::start(plan, library, row, size)? {
            Started::Ready(worker) => workers.push(worker),
            Started::Absent => (),
            Started::Failed => cells.push(Cell { library, outcome: Outcome::Failed }),
        }
    }
    let reference = workers.iter().find(|worker| worker.library.name == SHRIKE);
    let reference = reference.or(workers.first()).map(|worker| worker.answers.clone());
    let mut agrees = true;
    workers.retain(|worker| {
        let pairs = worker.answers.iter().zip(reference.iter().flatten());
        let wrong = pairs.filter(|(one, other)| one != other).count();
        if wrong > 0 {
            agrees &= worker.library.name != NACRE;
            let outcome = Outcome::Wrong(wrong, worker.answers.len());
            cells.push(Cell { library: worker.library, outcome });
        }
        wrong == 0
    });
    take_turns(plan, &mut workers)?;
    for mut worker in workers {
        let taken = worker.taken()?;
        let outcome = Outcome::Measured { nanos: worker.best, taken };
        cells.push(Cell { library: worker.library, outcome });
    }
    cells.sort_by_key(|cell| LIBRARIES.iter().position(|known| known.name == cell.library.name));
    Ok(RowResult { row, size, cells, limit: None, units: None, slowness: 1.0, agrees })
}

fn take_turns(plan: &Plan, workers: &mut [Worker]) -> io::Result<()> {
    let start = Instant::now();
    for round in 0..MAX_ROUNDS {
        for worker in &mut *workers {
            // Who needs seconds for a turn gets one more: noise does not decide its time.
            if round < 1 || worker.turn_seconds() < 1.0 {
                worker.time()?;
            }
        }
        if round >= 2 && start.elapsed().as_secs_f64() > plan.seconds {
            break;
        }
    }
    Ok(())
}

/// A process that measures one library.
struct Worker {
    library: &'static Library,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    answers: Vec<String>,
    operations: usize,
    /// How often all operations are done in one turn.
    passes: usize,
    best: f64,
}

enum Started {
    Ready(Worker),
    Absent,
    Failed,
}

impl Worker {
    fn start(plan: &Plan, library: &'static Library, row: Row, size: Size) -> io::Result<Started> {
        // The features that one turns on in a dependency are on for all in the program, so that
        // these two have one to themselves; it lacks what only curves need.
        let is_apart = [NACRE, SHRIKE].contains(&library.name) && !row.is_of_a_curve();
        let program = if is_apart || library.name == NACRE { &plan.ours } else { &plan.theirs };
        let mut command = Command::new(program);
        command.args(["worker", library.name, row.facts().name, &size.0.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().expect("it is piped");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        match words.next() {
            Some("ready") => (),
            other => {
                child.wait()?;
                return Ok(if other.is_some() { Started::Absent } else { Started::Failed });
            }
        }
        let operations = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        let answers = words.map(str::to_owned).collect();
        let (passes, best) = (1, f64::INFINITY);
        let mut worker = Self { library, child, input, output, answers, operations, passes, best };
        // The first turn warms up and shows how many passes fill one.
        let nanos = worker.time()?;
        let passes = TURN_NANOS / (nanos * worker.operations as f64);
        worker.passes = (passes as usize).clamp(1, 100_000);
        Ok(Started::Ready(worker))
    }

    fn turn_seconds(&self) -> f64 {
        self.best * (self.passes * self.operations) as f64 / 1e9
    }

    fn time(&mut self) -> io::Result<f64> {
        let passes = self.passes;
        let nanos = self.ask(&format!("time {passes}"))?;
        let nanos = nanos.trim().parse().map_err(io::Error::other)?;
        self.best = self.best.min(nanos);
        Ok(nanos)
    }

    fn taken(&mut self) -> io::Result<Taken> {
        let answer = self.ask("memory")?;
        let mut numbers = answer.split_whitespace().filter_map(|word| word.parse().ok());
        let (peak, allocations) = (numbers.next(), numbers.next());
        Ok(Taken { peak: peak.unwrap_or(0), allocations: allocations.unwrap_or(0) })
    }

    fn ask(&mut self, what: &str) -> io::Result<String> {
        writeln!(self.input, "{what}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to lose, and freeing all it holds takes long.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TURN_NANOS: f64 = 20e6;
const MAX_ROUNDS: usize = 100;
