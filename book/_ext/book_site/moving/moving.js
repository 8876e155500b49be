// Draws a moving picture when its reader reaches for a knob, and follows the knobs.
const narrow = window.matchMedia("(max-width: 600px)");
const address = document.currentScript.dataset.library;
let library;

// A script element, for a module is not loaded from a file on disk.
const load = () =>
  (library ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: address, onerror: reject });
    script.onload = () => resolve(window.bookEmbed);
    document.head.append(script);
  }));

const start = (figure) => {
  const { wide, phone, says } = JSON.parse(figure.querySelector("script").textContent);
  const knobs = [...figure.querySelectorAll("[data-knob]")];
  const place = (knob) => (knob.type === "checkbox" ? Number(knob.checked) : Number(knob.value));
  let drawn;

  const follow = async () => {
    for (const knob of knobs.filter((knob) => knob.type === "range")) {
      const value = JSON.parse(knob.dataset.values)[place(knob)];
      knob.setAttribute("aria-valuetext", value);
      knob.nextElementSibling.textContent = value;
    }
    figure.querySelector(".moving-says").textContent = says[knobs.map(place).join(",")];
    const { view } = await draw();
    knobs.forEach((knob) => view.signal(knob.dataset.knob, place(knob)));
    await view.runAsync();
    figure.classList.add("moves");
  };
  const draw = () =>
    (drawn ??= load().then((embed) =>
      embed(figure.querySelector(".moving-live"), narrow.matches ? phone : wide, {
        actions: false,
        defaultStyle: false,
        renderer: "svg",
      })));

  for (const knob of knobs) {
    knob.addEventListener("input", follow);
    knob.addEventListener("focus", load);
    knob.addEventListener("pointerenter", load);
  }
  narrow.addEventListener("change", async () => {
    if (!drawn) return;
    (await drawn).finalize();
    drawn = undefined;
    follow();
  });
  figure.querySelector("fieldset").disabled = false;
};

document.querySelectorAll("figure.moving").forEach(start);
