// Copy buttons: shown where the browser can copy, and only then.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    if (!navigator.clipboard) {
        return;
    }
    for (const button of document.querySelectorAll(".cmc-copy")) {
        const words = button.textContent;
        button.hidden = false;
        button.addEventListener("click", async () => {
            try {
                await navigator.clipboard.writeText(button.dataset.copy);
                button.textContent = button.dataset.copied;
                setTimeout(() => { button.textContent = words; }, 2000);
            } catch {
                button.hidden = true;
            }
        });
    }
});

// The boxes before the rows of a list: one for all, and Shift for all between two.
document.addEventListener("DOMContentLoaded", () => {
    const all = document.querySelector("#action-toggle");
    const boxes = [...document.querySelectorAll("#result_list .action-select")];
    const note = document.querySelector(".cmc-selected");
    if (!all || !note || boxes.length === 0) {
        return;
    }
    let last = 0;
    const show = () => {
        const number = boxes.filter((box) => box.checked).length;
        for (const box of boxes) {
            box.closest("tr").classList.toggle("selected", box.checked);
        }
        all.checked = number === boxes.length;
        note.hidden = number === 0;
        note.lastElementChild.textContent = number;
    };
    all.addEventListener("click", () => {
        for (const box of boxes) {
            box.checked = all.checked;
        }
        show();
    });
    boxes.forEach((box, at) => box.addEventListener("click", (event) => {
        if (event.shiftKey) {
            for (const between of boxes.slice(Math.min(at, last), Math.max(at, last) + 1)) {
                between.checked = box.checked;
            }
        }
        last = at;
        show();
    }));
    show();
});
