// In the page: kernels compiled and traces repeated by the browser's WebGPU.

// Dispatches of a submission.
const TOGETHER = 256;

// A device with WebGPU's default limits, which is what kernels keep to, and a list of everything that it complains about.
async function open() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("the browser has no WebGPU adapter");
  const device = await adapter.requestDevice();
  const complaints = [];
  device.addEventListener("uncapturederror", (event) => complaints.push(event.error.message));
  const { vendor, architecture } = adapter.info;
  return { device, complaints, adapter: `${vendor} ${architecture}`.trim() };
}

// A pipeline, or the messages for which the text was refused. Without bindings they are read off the text.
async function compile(device, { name, text, bindings }) {
  const module = device.createShaderModule({ label: name, code: text });
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter((message) => message.type === "error");
  if (errors.length > 0) {
    return { refused: errors.map((error) => `${name}:${error.lineNum}:${error.linePos}: ${error.message}`).join("\n") };
  }
  const entries = bindings?.map(({ binding, kind }) => {
    const buffer = { type: kind, hasDynamicOffset: kind === "uniform" };
    return { binding, visibility: GPUShaderStage.COMPUTE, buffer };
  });
  const group = entries && device.createBindGroupLayout({ label: name, entries });
  const layout = group ? device.createPipelineLayout({ bindGroupLayouts: [group] }) : "auto";
  try {
    const pipeline = await device.createComputePipelineAsync({ label: name, layout, compute: { module } });
    return { pipeline, group };
  } catch (error) {
    return { refused: `${name}: ${error.message}` };
  }
}

// Compiles texts; returns what was refused.
async function compileAll(kernels) {
  const { device, adapter } = await open();
  const refused = [];
  for (const kernel of kernels) {
    const made = await compile(device, kernel);
    if (made.refused) refused.push(made.refused);
  }
  device.destroy();
  return { adapter, kernels: kernels.length, refused };
}

// Repeats a trace of `greybox eval --trace`; returns what was read back, in the order of the reads, as base64.
async function replay(events, data) {
  const { device, complaints, adapter } = await open();
  const [buffers, kernels, groups, answers, refused] = [[], [], [], [], []];
  let pending = [];
  let dispatches = 0;
  const flush = () => {
    for (let at = 0; at < pending.length; at += TOGETHER) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const { kernel, group, offset, size } of pending.slice(at, at + TOGETHER)) {
        pass.setPipeline(kernels[kernel].pipeline);
        pass.setBindGroup(0, groups[group].group, groups[group].dynamic ? [offset] : []);
        pass.dispatchWorkgroups(...size);
      }
      pass.end();
      device.queue.submit([encoder.finish()]);
    }
    dispatches += pending.length;
    pending = [];
  };
  const actions = {
    buffer({ label, size, uniform }) {
      const role = uniform ? GPUBufferUsage.UNIFORM : GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
      buffers.push(device.createBuffer({ label, size, usage: role | GPUBufferUsage.COPY_DST }));
    },
    async kernel(event) {
      const made = await compile(device, event);
      if (made.refused) refused.push(made.refused);
      kernels.push({ ...made, dynamic: event.bindings.some(({ kind }) => kind === "uniform") });
    },
    group({ kernel, entries }) {
      const { group: layout, dynamic } = kernels[kernel];
      const bound = entries.map(({ binding, buffer, size }) => {
        return { binding, resource: { buffer: buffers[buffer], size: size ?? undefined } };
      });
      groups.push({ group: device.createBindGroup({ layout, entries: bound }), dynamic });
    },
    write({ buffer, offset, at, bytes }) {
      flush();
      device.queue.writeBuffer(buffers[buffer], offset, data, at, bytes);
    },
    clear({ buffer }) {
      flush();
      const encoder = device.createCommandEncoder();
      encoder.clearBuffer(buffers[buffer]);
      device.queue.submit([encoder.finish()]);
    },
    dispatch(event) {
      pending.push(event);
    },
    async download({ ranges, bytes }) {
      flush();
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      const staging = device.createBuffer({ size: Math.max(bytes, 4), usage });
      const encoder = device.createCommandEncoder();
      let at = 0;
      for (const { buffer, first, words } of ranges.filter(({ words }) => words > 0)) {
        encoder.copyBufferToBuffer(buffers[buffer], 4 * first, staging, at, 4 * words);
        at += 4 * words;
      }
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      answers.push(new Uint8Array(staging.getMappedRange(0, bytes).slice(0)));
      staging.destroy();
    },
  };
  device.lost.then(({ message }) => complaints.push(`the device was lost: ${message}`));
  for (const event of events) {
    await actions[event.event](event);
    if (refused.length + complaints.length > 0) break;
  }
  const complete = refused.length + complaints.length === 0;
  const blob = new Blob(complete ? answers : []);
  const reader = new FileReader();
  const url = await new Promise((resolve) => {
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(blob);
  });
  return { adapter, kernels: kernels.length, dispatches, refused: [...refused, ...complaints], answers: url.split(",")[1] ?? "" };
}
