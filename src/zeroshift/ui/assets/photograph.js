// The photograph: brought by drop, paste or choice; a box or a mask drawn on it. Events: 'brought', 'placed', 'example', 'cleared'.
const root = element.querySelector(".zs-photo");
const find = (name) => root.querySelector(name);
const input = find("input[type=file]"), img = find("img"), canvas = find("canvas"), pen = canvas.getContext("2d");
const HINTS = {
  auto: "The dashed part is what the model looks at.",
  box: "Drag a box around what shall change.",
  brush: "Paint over what may change; the rest keeps its pixels.",
  whole: "All of the picture may change.",
};
const layer = document.createElement("canvas"); // the mask, white where painted
const ink = layer.getContext("2d");
const NO_FILE = "That is no file: save the picture, then drop its file here.";
const SECOND = "One at a time: another file was on its way, so this one was left out; bring it again.";
const NO_ANSWER = "No answer came to that file: see whether the page's server still runs, then bring it again.";
const LONGEST = 60_000; // milliseconds that an answer may take until another file is taken all the same
let mode = "auto", box = null, rubbing = false, from = null, painted = false, name = null, busy = false;
let found = null; // the part that the model looks at
let most = Infinity; // bytes of a file
let waiting = 0; // the timer of LONGEST
let number = 0; // of the file that was brought last
let second = false; // whether another one came while it was on its way

async function bring(file) {
  if (!file) return;
  if (busy) {
    second = true;
    return say(SECOND);
  }
  say("");
  busy = true;
  const mine = ++number;
  root.dataset.state = "busy";
  const called = file.name || "pasted.png";
  try {
    if (file.size > most) throw new Error("larger than it may be");
    const { path } = await upload(file);
    trigger("brought", { path, name: called, number: mine });
  } catch (error) {
    trigger("brought", { path: "", name: called, number: mine, size: file.size, failed: String(error.message) });
  } finally {
    waiting = setTimeout(unanswered, LONGEST); // update() has the answer before: Gradio tells of no second file until then
    input.value = "";
  }
}

function free() {
  clearTimeout(waiting);
  busy = second = false;
  if (root.dataset.state === "busy") root.dataset.state = name ? "there" : "empty";
}

function unanswered() {
  free();
  say(NO_ANSWER);
}

function say(text) {
  const wrong = find(".zs-wrong");
  wrong.textContent = text;
  wrong.hidden = !text;
  if (text) wrong.scrollIntoView({ block: "nearest" });
}

function draw() {
  const { width, height } = canvas;
  pen.clearRect(0, 0, width, height);
  const shown = mode === "box" ? box : mode === "auto" || mode === "brush" ? found : null;
  if (mode === "brush") {
    pen.save();
    pen.globalAlpha = 0.55;
    pen.drawImage(layer, 0, 0, width, height);
    pen.restore();
  } else if (shown) {
    pen.save();
    pen.fillStyle = "rgba(20, 18, 16, .38)";
    pen.fillRect(0, 0, width, height);
    pen.clearRect(shown[0] * width, shown[1] * height, shown[2] * width, shown[3] * height);
    pen.restore();
    pen.save();
    pen.strokeStyle = "#fff";
    pen.lineWidth = Math.max(2, width / 260);
    if (mode === "auto") pen.setLineDash([width / 60, width / 90]);
    pen.strokeRect(shown[0] * width, shown[1] * height, shown[2] * width, shown[3] * height);
    pen.restore();
  }
}

function show() {
  root.dataset.mode = mode;
  root.querySelectorAll(".zs-tools button").forEach((b) => b.setAttribute("aria-pressed", b.dataset.mode === mode));
  find(".zs-hint").textContent = mode === "auto" && !found ? "" : HINTS[mode];
  draw();
}

async function update() {
  const value = props.value || {};
  if (value.wrong || !second) say(value.wrong || ""); // SECOND stays for the answer to the file before it
  if (value.brought === number) free(); // other answers, as to a box, are not the file's
  if (value.wrong) return; // what lies here stays as it is
  found = value.found || null;
  most = value.most || most; // said once, when the page is opened
  delete root.dataset.told;
  const examples = find(".zs-examples");
  if (!examples.childElementCount && value.examples) {
    for (const one of value.examples) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = one.credit;
      button.setAttribute("aria-label", `Example: ${one.label}`);
      const picture = document.createElement("img"), words = document.createElement("span");
      picture.src = one.src;
      picture.alt = "";
      words.textContent = one.label;
      const credit = document.createElement("small");
      credit.textContent = one.credit;
      words.append(credit);
      button.append(picture, words);
      button.addEventListener("click", () => trigger("example", { name: one.name }));
      examples.append(button);
    }
  }
  root.dataset.state = busy ? "busy" : value.src ? "there" : "empty";
  if (!value.src) {
    name = null;
    return;
  }
  mode = value.mode;
  box = value.box;
  if (value.key !== name) {
    name = value.key;
    img.src = value.src;
    canvas.width = layer.width = value.width;
    canvas.height = layer.height = value.height;
    painted = false;
  }
  if (value.mask) {
    const mask = new Image();
    mask.src = value.mask;
    await mask.decode();
    ink.clearRect(0, 0, layer.width, layer.height);
    ink.drawImage(mask, 0, 0, layer.width, layer.height);
    painted = true;
  } else if (value.mode !== "brush") {
    ink.clearRect(0, 0, layer.width, layer.height);
    painted = false;
  }
  show();
}

function tell() {
  root.dataset.told = "not yet"; // until update() has the answer: an edit waits for it
  trigger("placed", { mode, box, mask: mode === "brush" && painted ? layer.toDataURL("image/png") : null });
}

function at(event) {
  const r = canvas.getBoundingClientRect();
  const clamp = (x) => Math.min(1, Math.max(0, x));
  return [clamp((event.clientX - r.left) / r.width), clamp((event.clientY - r.top) / r.height)];
}

function stroke(a, b) {
  const width = (Number(find("input[type=range]").value) / 100) * Math.max(layer.width, layer.height);
  ink.globalCompositeOperation = rubbing ? "destination-out" : "source-over";
  ink.strokeStyle = "#ff5a1f";
  ink.lineWidth = width;
  ink.lineCap = "round";
  ink.beginPath();
  ink.moveTo(a[0] * layer.width, a[1] * layer.height);
  ink.lineTo(b[0] * layer.width + 0.01, b[1] * layer.height);
  ink.stroke();
  painted = true;
}

input.addEventListener("change", () => bring(input.files[0]));
find(".zs-away").addEventListener("click", () => trigger("cleared", {}));
find(".zs-rub").addEventListener("click", (event) => {
  rubbing = !rubbing;
  event.target.setAttribute("aria-pressed", rubbing);
});
find(".zs-clear").addEventListener("click", () => {
  ink.clearRect(0, 0, layer.width, layer.height);
  painted = false;
  draw();
  tell();
});
root.querySelectorAll(".zs-tools button").forEach((button) =>
  button.addEventListener("click", () => {
    mode = button.dataset.mode;
    show();
    if (mode === "auto" || mode === "whole" || (mode === "box" && box) || (mode === "brush" && painted)) tell();
  }),
);
canvas.addEventListener("pointerdown", (event) => {
  if (mode !== "box" && mode !== "brush") return;
  canvas.setPointerCapture(event.pointerId);
  from = at(event);
  if (mode === "brush") {
    stroke(from, from);
    draw();
  }
});
canvas.addEventListener("pointermove", (event) => {
  if (!from) return;
  const to = at(event);
  if (mode === "brush") {
    stroke(from, to);
    from = to;
  } else {
    const left = Math.min(from[0], to[0]), top = Math.min(from[1], to[1]);
    box = [left, top, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
  }
  draw();
});
function lifted() {
  if (!from) return;
  from = null;
  if (mode === "box" && (!box || box[2] * canvas.width < 4 || box[3] * canvas.height < 4)) {
    box = null;
    draw();
    return;
  }
  tell();
}
canvas.addEventListener("pointerup", lifted);
canvas.addEventListener("pointercancel", lifted); // the system took the pointer, as where a call comes in
// a word that is dragged into a field of words is the browser's matter
const isWord = ({ dataTransfer, target }) =>
  !dataTransfer.types.includes("Files") && target.closest && target.closest("input[type=text], textarea");
document.addEventListener("dragover", (event) => {
  if (isWord(event)) return;
  event.preventDefault();
  root.classList.add("zs-over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || root.classList.remove("zs-over"));
document.addEventListener("drop", (event) => {
  root.classList.remove("zs-over");
  if (isWord(event)) return;
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  file ? bring(file) : say(NO_FILE);
});
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) bring(file);
});
watch("value", update);
update();
