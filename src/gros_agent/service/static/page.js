// Keeps the status page up to date: asks for the state every few seconds, and for the page's parts when it changed.
"use strict";

// Addresses begin with location.origin, since a page may have been asked for with a password in its own.
const RUNNING = 2000;
const IDLE = 5000;
const connection = document.getElementById("connection");
const form = document.getElementById("start");
const button = form.querySelector("button");
const result = document.getElementById("result");
const numbers = new Intl.NumberFormat("en");
const moments = new Intl.RelativeTimeFormat("en");
let timer;
let known;
let isAsking = false;

function updateTimes() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
    const found = units.find(([, size]) => Math.abs(seconds) >= size);
    const close = seconds > 0 ? "in less than a minute" : "just now";
    time.textContent = found ? moments.format(Math.round(seconds / found[1]), found[0]) : close;
  }
}

function showProgress(run) {
  const bar = document.getElementById("progress");
  if (!run || !bar) {
    return;
  }
  if (run.total) {
    bar.max = run.total;
    bar.value = run.done;
  } else {
    bar.removeAttribute("value");
  }
  const done = run.done ? numbers.format(run.done) : "";
  document.getElementById("what").textContent = run.what.slice(0, 2000);
  document.getElementById("done").textContent = run.total ? `${numbers.format(run.done)} of ${numbers.format(run.total)}` : done;
}

async function replaceParts() {
  const answer = await fetch(location.origin + location.pathname + location.search);
  if (!answer.ok) {
    throw new Error(`status ${answer.status}`);
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = [...document.querySelectorAll("details[open]")].map((one) => one.id);
  const focused = document.activeElement?.id;
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.getElementById(part.id);
    part.className = fresh.className;
    part.hidden = fresh.hidden;
    part.replaceChildren(...fresh.childNodes);
  }
  for (const id of open) {
    document.getElementById(id)?.setAttribute("open", "");
  }
  if (focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
  document.title = page.title;
}

// Whether the page, as it was loaded, already shows this state.
function isShown(state) {
  const { running, lastRun } = document.querySelector("main").dataset;
  return running === String(state.running) && lastRun === String(state.last_run ?? "");
}

async function update() {
  const answer = await fetch(`${location.origin}/api/state`);
  if (!answer.ok) {
    throw new Error(`status ${answer.status}`);
  }
  const state = await answer.json();
  const run = state.current;
  const now = JSON.stringify({ ...state, current: run && [run.id, run.stage] });
  if (known === undefined && isShown(state)) {
    known = now;
  }
  if (now !== known) {
    await replaceParts();
    known = now;
  }
  button.disabled = state.running;
  showProgress(run);
  updateTimes();
  return state.running ? RUNNING : IDLE;
}

async function ask() {
  clearTimeout(timer);
  if (document.hidden || isAsking) {
    return;
  }
  isAsking = true;
  let pause = IDLE;
  try {
    pause = await update();
    connection.hidden = true;
  } catch (error) {
    connection.hidden = false;
  } finally {
    isAsking = false;
  }
  timer = setTimeout(ask, pause);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  result.textContent = "";
  try {
    const answer = await fetch(`${location.origin}/scrape`, { method: "POST" });
    const content = await answer.json();
    result.textContent = answer.ok ? "A scrape was started." : content.error.message;
    button.disabled = answer.ok;
  } catch (error) {
    result.textContent = "The agent does not answer.";
    button.disabled = false;
  }
  ask();
});

document.addEventListener("visibilitychange", ask);
ask();
