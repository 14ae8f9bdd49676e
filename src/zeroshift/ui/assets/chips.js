// Words as chips, group by group. Event: 'picked'.
const root = element.querySelector(".zs-chips");
let open = null;

function draw() {
  const groups = props.value || [];
  if (!groups.some((group) => group.name === open)) open = groups.length ? groups[0].name : null;
  root.replaceChildren();
  if (groups.length > 1) {
    const tabs = document.createElement("div");
    tabs.className = "zs-groups";
    for (const group of groups) {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.textContent = group.name;
      tab.setAttribute("aria-pressed", group.name === open);
      tab.addEventListener("click", () => {
        open = group.name;
        draw();
      });
      tabs.append(tab);
    }
    root.append(tabs);
  }
  const words = document.createElement("div"), shown = groups.find((group) => group.name === open) || { words: [] };
  words.className = "zs-words";
  if (shown.about) {
    const about = document.createElement("p");
    about.className = "zs-note";
    about.textContent = shown.about;
    root.append(about);
  }
  for (const word of shown.words) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "zs-chip";
    chip.textContent = word;
    chip.addEventListener("click", () => trigger("picked", { word }));
    words.append(chip);
  }
  root.append(words);
}
watch("value", draw);
draw();
