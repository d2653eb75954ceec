"use strict";
// A file whose text goes into a field, to be looked at before it is sent.
for (const input of document.querySelectorAll("input[data-into]")) {
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (file) document.getElementById(input.dataset.into).value = await file.text();
  });
}
// A page of the PDF is shown in its frame, which is folded away until somebody wants it.
for (const link of document.querySelectorAll('a[target="pdf"]')) {
  link.addEventListener("click", () => {
    const frame = document.getElementById("pdf");
    frame.open = true;
    frame.scrollIntoView();
  });
}
// Uploads by drag and drop: files go in batches, then the events of each job say how far it is.
(() => {
  const drop = document.getElementById("drop");
  if (!drop) return;
  // A form is longer than its files: each has a name and an id in it.
  const most = Number(drop.dataset.bytes), FORM = 1 << 12;
  const FILES = Math.min(20, Number(drop.dataset.files));
  const BYTES = Math.min(8 << 20, most / 2);
  const token = document.querySelector('meta[name="csrf"]').content;
  const home = "/admin/collections/" + encodeURIComponent(drop.dataset.collection);
  const list = document.getElementById("upload-files");
  const state = document.getElementById("upload-state");
  const counts = { files: 0, ready: 0, failed: 0, lost: 0 };

  const say = () => {
    const open = counts.files - counts.ready - counts.failed;
    const files = counts.files === 1 ? "1 file" : `${counts.files} files`;
    state.textContent = `${files}: ${counts.ready} ready, ${counts.failed} failed, ${open} to go. `;
    if (open > counts.lost) return;
    const link = document.createElement("a");
    link.href = home;
    link.textContent = "Show them in the list";
    state.append(link);
  };

  const makeItem = (className, words) => {
    const item = document.createElement("li");
    item.className = `${className} long`;
    const bdi = document.createElement("bdi");
    bdi.textContent = words;
    item.append(bdi);
    return item;
  };

  const failedItem = (name, message) => makeItem("problem", `${name}: ${message}`);

  // Told before it is sent: the server would break off in the middle of it.
  const isTooLarge = (file) => file.size + FORM > most;
  const wordsOfLarge = (file) =>
    `the file has ${file.size} bytes; at most ${most - FORM} are taken (too_large)`;

  const fail = (name, message) => {
    counts.failed += 1;
    list.append(failedItem(name, message));
    say();
  };

  const follow = (jobId, stored) => new Promise((resolve) => {
    const source = new EventSource(`/admin/jobs/${jobId}/events`);
    let ready = 0;
    const show = (event) => {
      const job = JSON.parse(event.data);
      counts.ready += job.counts.ready - ready;
      ready = job.counts.ready;
      say();
      return job;
    };
    source.addEventListener("progress", show);
    source.addEventListener("done", (event) => {
      source.close();
      const { counts: ended, errors } = JSON.parse(event.data);
      // Of what newer uploads replaced, or somebody erased, nothing comes any more.
      counts.files -= ended.superseded + ended.deleted;
      show(event);
      for (const error of errors) fail(error.id, `${error.message} (${error.code})`);
      resolve();
    });
    source.addEventListener("error", () => {
      // A browser connects again by itself, unless it was refused.
      if (source.readyState !== source.CLOSED) return;
      counts.lost += stored - ready;
      const words = "The server does not say any more how far these files are; they stay stored.";
      list.append(makeItem("problem", words));
      say();
      resolve();
    });
  });

  // One stream at a time: a browser has few connections to a host, and uploads need one.
  let followed = Promise.resolve();

  const send = async (batch) => {
    const form = new FormData();
    for (const [name, file] of batch) {
      form.append("files", file, file.name);
      form.append("id", name);
    }
    const options = { method: "POST", body: form, headers: { "X-CSRF-Token": token } };
    const response = await fetch(`${home}/upload`, options).catch(() => null);
    if (response && response.ok) {
      const { accepted, left_out, refused } = await response.json();
      const stored = accepted ? accepted.documents.length : 0;
      counts.files += stored + refused.length - batch.length;
      for (const name of left_out) list.append(makeItem("muted", `Left out: ${name}`));
      for (const one of refused) fail(one.id, `${one.message} (${one.code})`);
      if (accepted) followed = followed.then(() => follow(accepted.job_id, stored));
    } else if (response && response.status === 429) {
      await new Promise((resume) => setTimeout(resume, 2000));
      await send(batch);
    } else if (batch.length > 1) {
      // What went wrong with one must not take the others with it.
      for (const one of batch) await send([one]);
    } else {
      fail(batch[0][0], response ? await wordsOf(response) : "the server cannot be reached");
    }
  };

  const wordsOf = async (response) => {
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.querySelector("main p")?.textContent || `refused (${response.status})`;
  };

  const upload = async (files) => {
    counts.files += files.length;
    say();
    let batch = [], bytes = 0;
    for (const entry of files) {
      if (isTooLarge(entry[1])) {
        fail(entry[0], wordsOfLarge(entry[1]));
        continue;
      }
      if (batch.length && (batch.length === FILES || bytes + entry[1].size > BYTES)) {
        await send(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(entry);
      bytes += entry[1].size;
    }
    if (batch.length) await send(batch);
  };

  // Files that are checked first stay in this page until somebody adds them.
  const checkFirst = document.getElementById("check-first");
  const panel = document.getElementById("checks");
  const results = document.getElementById("checked-files");
  const kept = [];
  let checked = 0, checking = false;

  const sayChecked = () => {
    state.textContent = kept.length ? `${checked} of ${kept.length} files checked` : "";
  };

  const check = async ([name, file]) => {
    if (isTooLarge(file)) return [failedItem(name, wordsOfLarge(file))];
    const form = new FormData();
    form.append("files", file, file.name);
    form.append("id", name);
    const options = { method: "POST", body: form, headers: { "X-CSRF-Token": token } };
    const response = await fetch(`${home}/files/preflight`, options).catch(() => null);
    if (response && response.status === 429) {
      await new Promise((resume) => setTimeout(resume, 2000));
      return check([name, file]);
    }
    if (response && response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      return [...page.querySelectorAll("li.checked")];
    }
    const words = response ? await wordsOf(response) : "the server cannot be reached";
    return [failedItem(name, words)];
  };

  const checkAll = async () => {
    if (checking) return;
    checking = true;
    while (checked < kept.length) {
      const entry = kept[checked];
      sayChecked();
      const items = await check(entry);
      // Unless they were added or dropped meanwhile.
      if (kept[checked] !== entry) continue;
      results.append(...items);
      checked += 1;
    }
    checking = false;
    sayChecked();
  };

  const empty = () => {
    checked = 0;
    results.replaceChildren();
    panel.hidden = true;
    state.textContent = "";
    return kept.splice(0);
  };

  document.getElementById("add-checked").addEventListener("click", () => upload(empty()));
  document.getElementById("drop-checked").addEventListener("click", empty);

  const take = async (files) => {
    if (!checkFirst.checked) return upload(files);
    kept.push(...files);
    panel.hidden = false;
    await checkAll();
  };

  // Adds what it finds to `found`, and what cannot be read to the files that failed.
  const read = async (entry, path, found) => {
    try {
      if (entry.isFile) {
        const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
        found.push([path + file.name, file]);
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) return;
        for (const one of some) await read(one, `${path}${entry.name}/`, found);
      }
    } catch (error) {
      counts.files += 1;
      fail(path + entry.name, `the browser cannot read it (${error.name})`);
    }
  };

  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const plain = [...event.dataTransfer.files].map((file) => [file.name, file]);
    const found = [];
    for (const entry of entries) await read(entry, "", found);
    await take(entries.length ? found : plain);
  });
  document.getElementById("files").addEventListener("change", (event) => {
    take([...event.target.files].map((file) => [file.name, file]));
    event.target.value = "";
  });
})();
