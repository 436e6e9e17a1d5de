// The page: ask, upload, watch. Everything from outside is set as text, never as markup.
const at = (id) => document.getElementById(id);
const WATCH_EVERY = 3000; // milliseconds
const COLUMNS = ["name", "status", "pages"];
const COUNTED = ["documents", "failed", "pages", "chunks", "tokens", "seconds", "dollars"];

at("token").value = sessionStorage.getItem("token") ?? "";

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function show(problem) {
  at("problem").textContent = problem;
}

async function call(path, options = {}) {
  const headers = { Authorization: `Bearer ${at("token").value}`, ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error ?? `the server answered ${answer.status}`);
  }
  show("");
  return answer;
}

async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter(Boolean).map((line) => JSON.parse(line));
  }
}

function passage(found) {
  const item = document.createElement("li");
  const place = found.heading ? `, ${found.heading}` : "";
  item.append(
    element("cite", `${found.sources.join(", ")}, page ${found.page}${place}`),
    element("span", `${found.text} (${found.score.toFixed(2)})`),
  );
  return item;
}

async function ask(event) {
  event.preventDefault();
  at("answer").textContent = "";
  at("passages").replaceChildren();
  at("answer").setAttribute("aria-busy", "true");
  let quotes = false;
  try {
    const body = JSON.stringify({ question: at("question").value });
    for await (const said of lines(await call("ask", { method: "POST", body }))) {
      if (said.passages) at("passages").replaceChildren(...said.passages.map(passage));
      if (said.kind) quotes = said.kind === "extractive";
      // An answer that only quotes has one sentence of its own; the passages are below it.
      if (said.answer && !(quotes && at("answer").textContent)) at("answer").append(said.answer);
      if (said.error) show(said.error);
    }
  } catch (error) {
    show(error.message);
  } finally {
    at("answer").setAttribute("aria-busy", "false");
  }
}

async function add(event) {
  event.preventDefault();
  const files = [...at("files").files];
  try {
    for (const [number, file] of files.entries()) {
      at("added").textContent = `Uploading ${file.name}: ${number + 1} of ${files.length}`;
      await call(`documents/${encodeURIComponent(file.name)}`, { method: "PUT", body: file });
    }
    at("added").textContent = `Uploaded: ${files.map((file) => file.name).join(", ")}`;
    at("add").reset();
    await look();
  } catch (error) {
    at("added").textContent = "";
    show(error.message);
  }
}

function row(found) {
  const made = document.createElement("tr");
  const known = found.reason ?? found.note ?? found.waiting ?? "";
  made.append(...COLUMNS.map((name) => element("td", found[name] ?? "")), element("td", known));
  return made;
}

async function look() {
  const { documents } = await (await call("documents")).json();
  at("documents").replaceChildren(...documents.map(row));
  const status = await (await call("status")).json();
  const counts = Object.entries(status.documents).map(([name, count]) => `${count} ${name}`);
  const text = counts.join(", ");
  // A live region that is set to the same text is read aloud again.
  if (at("counts").textContent !== text) at("counts").textContent = text;
  at("days").replaceChildren(...Object.entries(status.days).map(day));
}

function day([name, counts]) {
  const made = document.createElement("tr");
  const number = (count = 0) => String(Number(count.toFixed(6)));
  made.append(...[name, ...COUNTED.map((one) => number(counts[one]))].map((text) => element("td", text)));
  return made;
}

async function trace(event) {
  event.preventDefault();
  try {
    const path = at("traced").value.split("/").map(encodeURIComponent).join("/");
    const { entries } = await (await call(`history/${path}`)).json();
    const said = entries.map((one) => `${one.at} ${one.who}: ${one.what} ${one.details}`);
    const none = "Nothing is known of a document of this name.";
    at("history").replaceChildren(...(said.length ? said : [none]).map((text) => element("li", text)));
  } catch (error) {
    show(error.message);
  }
}

async function watch() {
  // Not with half a token, while it is typed.
  if (at("token").value === sessionStorage.getItem("token") && !document.hidden) {
    await look().catch((error) => show(error.message));
  }
  setTimeout(watch, WATCH_EVERY);
}

at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value);
  look().catch((error) => show(error.message));
});
at("ask").addEventListener("submit", ask);
at("add").addEventListener("submit", add);
at("trace").addEventListener("submit", trace);
watch();
