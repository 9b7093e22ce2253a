// The page asks the REST API of its own server, and nothing else.

const $ = (id) => document.getElementById(id);
const NO_TRUNCATION = -1;
const ANY_LABEL = -1;
const WALK_FRAMES = 24;
const HINTS = {
  samples: "Pictures of latents drawn from a seed. The same seed gives the same pictures.",
  walk: "From one seed to the next, and on and on, along the sphere of latents.",
  between: "The way from the first picture of one seed to that of another.",
  name: "Every text has a picture of its own, always the same in this version.",
};
const REMEMBERED = ["seed", "other", "text", "count", "speed", "label", "truncation"];

const page = { models: [], model: null, signatures: {}, turn: 0, playing: true };
const stage = $("stage");
const form = $("controls");

// Asking ---------------------------------------------------------------

async function ask(path, body) {
  const options = body && { method: "POST", body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer.");
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new Error(`The server answered ${response.status} without JSON.`);
  }
  if (!response.ok) throw new Error(answer.error || `HTTP status ${response.status}`);
  return answer;
}

// Over HTTP every input has to be given: those that the signature has.
async function predict(signature, inputs) {
  const known = page.signatures[signature];
  if (!known) throw new Error(`This model has no signature “${signature}”.`);
  const given = {};
  for (const name of Object.keys(known.inputs)) given[name] = inputs[name];
  const path = `/v1/models/${encodeURIComponent(page.model.name)}:predict`;
  const { outputs } = await ask(path, { signature_name: signature, inputs: given });
  const several = Object.keys(known.outputs).length > 1;
  return several ? outputs : { [Object.keys(known.outputs)[0]]: outputs };
}

// A blob needs no address, so that the policy of the page can stay narrow.
function pictures(outputs) {
  return Promise.all(outputs.png_bytes.map(({ b64 }) => {
    const bytes = Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));
    return createImageBitmap(new Blob([bytes], { type: "image/png" }));
  }));
}

function settings() {
  const value = (id) => Number($(id).value);
  const truncation = value("truncation");
  return {
    mode: form.elements.mode.value,
    seed: value("seed"),
    other: value("other"),
    text: $("text").value,
    count: value("count"),
    truncation: truncation > 3 ? NO_TRUNCATION : truncation,
    label: $("label").value === "" ? ANY_LABEL : value("label"),
  };
}

function sample(chosen, seed, count) {
  return predict("sample", { ...chosen, num_samples: count, seed });
}

async function latentsOf(chosen, seed) {
  return (await sample(chosen, seed, 1)).latents[0];
}

async function way(chosen, start, end, steps) {
  // The pictures of a way have one class.
  const label = Math.max(chosen.label, 0);
  return pictures(await predict("interpolate", { start, end, steps, label }));
}

// Drawing --------------------------------------------------------------

function grid(images, columns) {
  columns ||= Math.ceil(Math.sqrt(images.length));
  const rows = Math.ceil(images.length / columns);
  const { width, height } = images[0];
  const gap = Math.max(1, Math.round(width / 16));
  const cell = Math.max(1, Math.round(960 / (columns * (width + gap))));
  const context = resize(
    cell * (columns * (width + gap) - gap),
    cell * (rows * (height + gap) - gap),
  );
  images.forEach((image, i) => {
    const x = (i % columns) * (width + gap) * cell;
    const y = Math.floor(i / columns) * (height + gap) * cell;
    context.drawImage(image, x, y, width * cell, height * cell);
  });
}

function single(image) {
  const scale = Math.max(1, Math.round(640 / image.width));
  const context = resize(image.width * scale, image.height * scale);
  context.drawImage(image, 0, 0, stage.width, stage.height);
}

function resize(width, height) {
  if (stage.width !== width || stage.height !== height) {
    stage.width = width;
    stage.height = height;
  }
  const context = stage.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  return context;
}

function say(text, error = false) {
  // The same words again would be read out again.
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").classList.toggle("error", error);
}

function shown(count, description) {
  stage.setAttribute("aria-label", description);
  stage.dataset.shown = count;
  $("download").disabled = false;
}

// What can be shown ----------------------------------------------------

async function samples(chosen) {
  const images = await pictures(await sample(chosen, chosen.seed, chosen.count));
  return () => {
    grid(images);
    shown(images.length, `${images.length} pictures of seed ${chosen.seed}`);
    say(`${plural(images.length)} of seed ${chosen.seed}${suffix(chosen)}`);
  };
}

async function between(chosen) {
  const [start, end] = await Promise.all([
    latentsOf(chosen, chosen.seed),
    latentsOf(chosen, chosen.other),
  ]);
  const images = await way(chosen, start, end, chosen.count);
  return () => {
    grid(images);
    const text = `${plural(images.length)} from seed ${chosen.seed} to seed ${chosen.other}`;
    shown(images.length, text);
    say(text + suffix({ ...chosen, label: Math.max(chosen.label, 0) }));
  };
}

async function name(chosen) {
  const strings = chosen.text.split(",").map((s) => s.trim()).filter(Boolean);
  if (!strings.length) throw new Error("Write a name first.");
  const images = await pictures(await predict("sample_by_string", { ...chosen, strings }));
  return () => {
    grid(images);
    shown(images.length, `The pictures of ${strings.join(", ")}`);
    say(strings.join(" · ") + suffix(chosen));
  };
}

// Frames of one part are shown while the next is fetched.
async function walk(chosen, turn) {
  const label = { ...chosen, label: Math.max(chosen.label, 0) };
  let seed = chosen.seed;
  let here = await latentsOf(chosen, seed);
  const part = async () => {
    const next = await latentsOf(chosen, seed + 1);
    const steps = Math.min(WALK_FRAMES + 1, maxSamples());
    const frames = await way(chosen, here, next, steps);
    here = next;
    seed += 1;
    return { frames: frames.length > 1 ? frames.slice(0, -1) : frames, from: seed - 1 };
  };
  let coming = await part();
  return async () => {
    while (turn === page.turn) {
      const { frames, from } = coming;
      const next = part();
      next.catch(() => {}); // told where it is awaited
      for (const frame of frames) {
        single(frame);
        shown(1, `A walk, between seeds ${from} and ${from + 1}`);
        say(`Walking from seed ${from} to seed ${from + 1}${suffix(label)}`);
        await pause(1000 / Number($("speed").value), turn);
        if (turn !== page.turn) return;
      }
      coming = await next;
    }
  };
}

async function pause(milliseconds, turn) {
  await new Promise((done) => setTimeout(done, milliseconds));
  while (turn === page.turn && (!page.playing || document.hidden)) {
    await new Promise((done) => setTimeout(done, 100));
  }
}

const SHOWS = { samples, walk, between, name };
const NEEDS = {
  samples: ["sample"],
  walk: ["sample", "interpolate"],
  between: ["sample", "interpolate"],
  name: ["sample_by_string"],
};

function plural(count) {
  return count === 1 ? "One picture" : `${count} pictures`;
}

function suffix({ label, truncation }) {
  const names = classNames();
  const parts = [];
  if (names && label >= 0) parts.push(`class ${names[label]}`);
  if (truncation > 0) parts.push(`truncation ${truncation}`);
  return parts.length ? ` (${parts.join(", ")})` : "";
}

// Each drawing is a turn; what comes back after the next began is dropped.
async function draw() {
  const turn = ++page.turn;
  const chosen = settings();
  remember();
  if (!form.reportValidity()) return;
  document.body.setAttribute("aria-busy", "true");
  try {
    const show = await SHOWS[chosen.mode](chosen, turn);
    if (turn !== page.turn) return;
    document.body.removeAttribute("aria-busy");
    await show();
  } catch (error) {
    if (turn !== page.turn) return;
    document.body.removeAttribute("aria-busy");
    say(error.message, true);
  }
}

let waiting;
function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 120);
}

// Controls -------------------------------------------------------------

function maxSamples() {
  return page.model.generator?.max_samples || 64;
}

function classNames() {
  const facts = page.model.generator;
  if (!facts?.num_classes) return null;
  return facts.class_names || Array.from({ length: facts.num_classes }, (_, i) => String(i));
}

function refresh() {
  const { mode, truncation } = settings();
  for (const element of document.querySelectorAll("[data-modes]")) {
    element.hidden = !element.dataset.modes.split(" ").includes(mode);
  }
  $("hint").textContent = HINTS[mode];
  $("seed-label").textContent = { walk: "Start at seed", between: "First seed" }[mode] || "Seed";
  $("count-shown").textContent = $("count").value;
  $("speed-shown").textContent = `${$("speed").value} pictures/s`;
  $("truncation-shown").textContent = truncation < 0 ? "none" : truncation.toFixed(1);
  $("play").textContent = page.playing ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(page.playing));
  const names = classNames();
  $("label-field").hidden = !names;
  if (names) {
    $("label").options[0].textContent = {
      samples: "All, in turn",
      name: "As the name decides",
    }[mode] || `${names[0]} (the first)`;
  }
}

function remember() {
  const state = new URLSearchParams({ mode: form.elements.mode.value });
  if (page.models.length > 1) state.set("model", page.model.name);
  for (const id of REMEMBERED) state.set(id, $(id).value);
  history.replaceState(null, "", `#${state}`);
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const id of REMEMBERED) if (state.has(id)) $(id).value = state.get(id);
  const mode = form.querySelector(`input[value="${CSS.escape(state.get("mode") || "")}"]`);
  if (mode && !mode.disabled) mode.checked = true;
  return state.get("model");
}

async function choose(model) {
  page.model = model;
  page.turn += 1;
  const title = model.generator?.name || model.name;
  document.title = title;
  $("name").textContent = title;
  if (!model.version) {
    $("about").textContent = "";
    throw new Error(`No version of “${model.name}” is loaded at the moment.`);
  }
  const path = `/v1/models/${encodeURIComponent(model.name)}/metadata`;
  const { metadata } = await ask(path);
  page.signatures = metadata.signature_def.signature_def;
  $("about").textContent = describe(model);
  for (const [mode, needed] of Object.entries(NEEDS)) {
    const input = form.querySelector(`input[value="${mode}"]`);
    input.disabled = !needed.every((signature) => signature in page.signatures);
  }
  $("count").max = Math.min(64, maxSamples());
  const names = classNames() || [];
  $("label").replaceChildren(
    new Option("All, in turn", ""),
    ...names.map((text, i) => new Option(text, String(i))),
  );
}

function describe(model) {
  const facts = model.generator;
  const parts = [`version ${model.version}`];
  if (!facts) return `${parts[0]}, without a description: it was not exported by keras_ganmix`;
  if (facts.step) parts.push(`step ${facts.step.toLocaleString("en")}`);
  if (facts.image_shape?.length === 3) parts.push(facts.image_shape.join(" × "));
  return parts.join(" · ");
}

function dice(id) {
  $(id).value = Math.floor(Math.random() * 1e6);
  draw();
}

function download() {
  stage.toBlob((blob) => {
    const { mode, seed } = settings();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${page.model.name}-${mode}${mode === "name" ? "" : `-${seed}`}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved as ${link.download}`);
  });
}

async function begin() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  form.addEventListener("input", () => {
    refresh();
    soon();
  });
  $("dice").addEventListener("click", () => dice("seed"));
  $("other-dice").addEventListener("click", () => dice("other"));
  $("play").addEventListener("click", () => {
    page.playing = !page.playing;
    refresh();
  });
  $("download").addEventListener("click", download);
  $("model").addEventListener("change", () => open(page.models[$("model").selectedIndex]));
  page.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  try {
    page.models = await ask("/page/models.json");
    $("model").replaceChildren(...page.models.map(({ name }) => new Option(name)));
    $("model-field").hidden = page.models.length < 2;
    const wanted = new URLSearchParams(location.hash.slice(1)).get("model");
    const model = page.models.find(({ name }) => name === wanted) || page.models[0];
    $("model").value = model.name;
    await open(model);
  } catch (error) {
    say(error.message, true);
  }
}

async function open(model) {
  try {
    await choose(model);
    recall();
    const mode = form.querySelector("input[name=mode]:checked");
    const first = form.querySelector("input[name=mode]:enabled");
    if (!first) throw new Error("This model has no signature that makes pictures.");
    if (mode.disabled) first.checked = true;
    refresh();
    await draw();
  } catch (error) {
    say(error.message, true);
  }
}

begin();
