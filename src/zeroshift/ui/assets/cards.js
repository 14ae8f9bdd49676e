// Pictures as cards. Event: 'picked'.
const root = element.querySelector(".zs-cards");

function draw() {
  root.replaceChildren();
  for (const one of props.value || []) {
    const card = document.createElement(one.src ? "button" : "div");
    card.className = "zs-card" + (one.chosen ? " zs-chosen" : "") + (one.waiting ? " zs-waiting" : "");
    if (one.src) {
      card.type = "button";
      const picture = document.createElement("img");
      picture.src = one.src;
      picture.alt = one.title;
      card.append(picture);
      card.addEventListener("click", () => trigger("picked", { key: one.key }));
    } else {
      const gap = document.createElement("div");
      gap.className = "zs-gap";
      gap.textContent = one.gap || "";
      card.append(gap);
    }
    const title = document.createElement("strong");
    title.textContent = one.title;
    title.title = one.title;
    card.append(title);
    for (const line of one.lines) {
      const words = document.createElement("span");
      words.textContent = line;
      card.append(words);
    }
    root.append(card);
  }
}
watch("value", draw);
draw();
