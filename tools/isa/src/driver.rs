//! The Vulkan driver: a device that only compiles, and the statistics of `VK_KHR_pipeline_executable_properties`.

use crate::kernel::{Buffer, Kernel};
use anyhow::{Context, Result, bail};
use ash::{khr::pipeline_executable_properties as executables, vk};
use std::ffi::{CStr, CString};

const MISSING: &str = "no Vulkan driver here compiles with statistics (VK_KHR_pipeline_executable_properties, Vulkan \
    1.3); for RADV without a card set RADV_FORCE_FAMILY and VK_ICD_FILENAMES and, on Debian, apt-get install \
    mesa-vulkan-drivers";

/// A device that compiles pipelines and reports on them.
pub struct Driver {
    device: ash::Device,
    executables: executables::Device,
    instance: ash::Instance,
    family: String,
    name: String,
    buffers_are_robust: bool,
    // The functions above live in the library that this keeps open.
    _entry: ash::Entry,
}

/// One of the programs a pipeline was compiled to; RADV makes one per compute pipeline.
pub struct Executable {
    pub subgroup_size: u32,
    pub statistics: Vec<Statistic>,
    /// Its instructions as the driver disassembles them; empty where it does not.
    pub assembly: String,
}

/// A number and its name, as the driver gives them.
pub struct Statistic {
    pub name: String,
    pub description: String,
    pub value: String,
}

impl Driver {
    /// The first device that reports statistics.
    pub fn open() -> Result<Driver> {
        // SAFETY: the loader is an ordinary shared library; `Driver` keeps it open as long as its functions are used.
        let entry = unsafe { ash::Entry::load() }
            .context("the Vulkan loader is missing (on Debian: apt-get install libvulkan1)")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `info` and what it points to live until the call returns.
        let instance = unsafe { entry.create_instance(&info, None) }.context(MISSING)?;
        match Self::choose(&instance) {
            Ok((device, physical, buffers_are_robust)) => {
                let (family, name) = names(&instance, physical);
                let executables = executables::Device::new(&instance, &device);
                Ok(Driver { device, executables, instance, family, name, buffers_are_robust, _entry: entry })
            }
            Err(error) => {
                // SAFETY: nothing made from the instance is left.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    fn choose(instance: &ash::Instance) -> Result<(ash::Device, vk::PhysicalDevice, bool)> {
        // SAFETY: the instance lives.
        for physical in unsafe { instance.enumerate_physical_devices() }.context(MISSING)? {
            // SAFETY: `physical` is of this instance.
            let properties = unsafe { instance.get_physical_device_properties(physical) };
            // SAFETY: as above.
            let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }?;
            let has = |name: &CStr| extensions.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
            if properties.api_version >= vk::API_VERSION_1_3 && has(executables::NAME) {
                let (device, robust) = device(instance, physical, has(ash::ext::robustness2::NAME))?;
                return Ok((device, physical, robust));
            }
        }
        bail!(MISSING)
    }

    /// The chip: the one asked of RADV, or what the driver calls it.
    pub fn family(&self) -> String {
        std::env::var("RADV_FORCE_FAMILY").unwrap_or_else(|_| self.family.clone())
    }

    /// The driver and its version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the device has `robustBufferAccess2`; wgpu then relies on it.
    pub fn buffers_are_robust(&self) -> bool {
        self.buffers_are_robust
    }

    /// Compiles a kernel.
    pub fn statistics(&self, kernel: &Kernel) -> Result<Vec<Executable>> {
        let device = &self.device;
        let info = vk::ShaderModuleCreateInfo::default().code(&kernel.spirv);
        // SAFETY: naga validated the module and wrote it for this version of Vulkan.
        let module = unsafe { device.create_shader_module(&info, None) }?;
        let sets = self.set_layouts(&kernel.buffers);
        let result = sets.and_then(|sets| {
            let layout = self.pipeline_layout(&sets, kernel.immediates);
            let result = layout.and_then(|layout| {
                let result = self.pipeline(kernel, module, layout).and_then(|pipeline| {
                    let result = self.executables(pipeline);
                    // SAFETY: nothing uses the pipeline; it was never submitted.
                    unsafe { device.destroy_pipeline(pipeline, None) };
                    result
                });
                // SAFETY: the one pipeline of this layout is gone.
                unsafe { device.destroy_pipeline_layout(layout, None) };
                result
            });
            for set in sets {
                // SAFETY: the one pipeline layout of these sets is gone.
                unsafe { device.destroy_descriptor_set_layout(set, None) };
            }
            result
        });
        // SAFETY: the one pipeline of this module is gone.
        unsafe { device.destroy_shader_module(module, None) };
        result
    }

    /// A layout per group up to the last one that is used.
    fn set_layouts(&self, buffers: &[Buffer]) -> Result<Vec<vk::DescriptorSetLayout>> {
        let groups = buffers.iter().map(|buffer| buffer.group + 1).max().unwrap_or(0);
        let mut layouts = Vec::new();
        for group in 0..groups {
            let bindings: Vec<_> = buffers.iter().filter(|buffer| buffer.group == group).map(binding).collect();
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            // SAFETY: `info` points to `bindings`; naga's validation keeps the bindings of an entry point distinct.
            layouts.push(unsafe { self.device.create_descriptor_set_layout(&info, None) }?);
        }
        Ok(layouts)
    }

    fn pipeline_layout(&self, sets: &[vk::DescriptorSetLayout], immediates: u32) -> Result<vk::PipelineLayout> {
        let range = [vk::PushConstantRange {
            stage_flags: vk::ShaderStageFlags::COMPUTE,
            offset: 0,
            size: immediates.next_multiple_of(4),
        }];
        let info = vk::PipelineLayoutCreateInfo::default()
            .set_layouts(sets)
            .push_constant_ranges(&range[..usize::from(immediates > 0)]);
        // SAFETY: `info` points to living sets and ranges.
        Ok(unsafe { self.device.create_pipeline_layout(&info, None) }?)
    }

    fn pipeline(&self, kernel: &Kernel, module: vk::ShaderModule, layout: vk::PipelineLayout) -> Result<vk::Pipeline> {
        let entry = CString::new(kernel.entry.as_str())?;
        // wgpu sets this flag on devices with its feature SUBGROUP; a kernel that speaks to subgroups needs one.
        let flags = if kernel.uses_subgroups {
            vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE
        } else {
            vk::PipelineShaderStageCreateFlags::empty()
        };
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .flags(flags)
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(&entry);
        let info = vk::ComputePipelineCreateInfo::default()
            .flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            )
            .stage(stage)
            .layout(layout);
        // SAFETY: module, layout and name live; the layout has every resource of the module at its place.
        let made = unsafe { self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None) };
        match made {
            Ok(pipelines) => Ok(pipelines[0]),
            Err((_, error)) => Err(error).context("the driver does not compile it"),
        }
    }

    fn executables(&self, pipeline: vk::Pipeline) -> Result<Vec<Executable>> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline lives and its device has the extension and its feature.
        let programs = unsafe { self.executables.get_pipeline_executable_properties(&info) }?;
        let mut found = Vec::new();
        for (index, program) in programs.iter().enumerate() {
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(index as u32);
            // SAFETY: as above; the pipeline was created with CAPTURE_STATISTICS and has a program of this index.
            let statistics = unsafe { self.executables.get_pipeline_executable_statistics(&info) }?;
            found.push(Executable {
                subgroup_size: program.subgroup_size,
                statistics: statistics.iter().map(Statistic::read).collect::<Result<_>>()?,
                assembly: self.assembly(&info)?,
            });
        }
        Ok(found)
    }

    /// The last of a program's representations: what the chip runs.
    fn assembly(&self, info: &vk::PipelineExecutableInfoKHR) -> Result<String> {
        let get = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0;
        // SAFETY: the pipeline lives, its device has the extension, and it was created with CAPTURE_INTERNAL_REPRESENTATIONS.
        unsafe { get(device, info, &mut count, std::ptr::null_mut()) }.result()?;
        let mut forms = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // SAFETY: as above, with room for `count` of them; without memory for their texts the driver writes sizes.
        unsafe { get(device, info, &mut count, forms.as_mut_ptr()) }.result()?;
        let mut texts: Vec<Vec<u8>> = forms.iter().map(|form| vec![0; form.data_size]).collect();
        for (form, text) in forms.iter_mut().zip(&mut texts) {
            form.p_data = text.as_mut_ptr().cast();
        }
        // SAFETY: as above; every form points to as many bytes as it asked for, which live in `texts`.
        unsafe { get(device, info, &mut count, forms.as_mut_ptr()) }.result()?;
        let last = forms.iter().zip(&texts).rfind(|(form, _)| form.is_text == vk::TRUE);
        Ok(last.map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_string()).unwrap_or_default())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: everything made from the device was destroyed where it was made; `_entry` drops after this.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

impl Statistic {
    fn read(raw: &vk::PipelineExecutableStatisticKHR) -> Result<Statistic> {
        use vk::PipelineExecutableStatisticFormatKHR as Format;
        // SAFETY: `format` says which member of the union the driver wrote; all of them are plain numbers.
        let value = unsafe {
            match raw.format {
                Format::BOOL32 => (raw.value.b32 != 0).to_string(),
                Format::INT64 => raw.value.i64.to_string(),
                Format::UINT64 => raw.value.u64.to_string(),
                Format::FLOAT64 => raw.value.f64.to_string(),
                format => bail!("a statistic of unknown format {}", format.as_raw()),
            }
        };
        let text = |field: Result<&CStr, _>| field.map(|text| text.to_string_lossy().into_owned());
        Ok(Statistic {
            name: text(raw.name_as_c_str()).context("a name without end")?,
            description: text(raw.description_as_c_str()).context("a description without end")?,
            value,
        })
    }
}

/// Opens a device with all features it offers, of which wgpu's checks ask for robust buffers; says whether it has them.
fn device(instance: &ash::Instance, physical: vk::PhysicalDevice, robustness: bool) -> Result<(ash::Device, bool)> {
    let mut statistics = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
    let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
    let mut vulkan11 = vk::PhysicalDeviceVulkan11Features::default();
    let mut vulkan12 = vk::PhysicalDeviceVulkan12Features::default();
    let mut vulkan13 = vk::PhysicalDeviceVulkan13Features::default();
    let mut features = vk::PhysicalDeviceFeatures2::default()
        .push_next(&mut statistics)
        .push_next(&mut vulkan11)
        .push_next(&mut vulkan12)
        .push_next(&mut vulkan13);
    let mut extensions = vec![executables::NAME.as_ptr()];
    if robustness {
        features = features.push_next(&mut robust);
        extensions.push(ash::ext::robustness2::NAME.as_ptr());
    }
    // SAFETY: `features` chains structures of this device's version and extensions; all outlive the calls.
    unsafe { instance.get_physical_device_features2(physical, &mut features) };
    let queue = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
    let info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queue)
        .enabled_extension_names(&extensions)
        .push_next(&mut features);
    // SAFETY: the features are those the device offers and every device has a queue family 0.
    let device = unsafe { instance.create_device(physical, &info, None) }.context("the driver opens no device")?;
    if statistics.pipeline_executable_info == vk::FALSE {
        // SAFETY: nothing was made from the device.
        unsafe { device.destroy_device(None) };
        bail!(MISSING);
    }
    Ok((device, robust.robust_buffer_access2 == vk::TRUE))
}

/// The device's name and its driver's, with version.
fn names(instance: &ash::Instance, physical: vk::PhysicalDevice) -> (String, String) {
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
    // SAFETY: `properties` chains a structure of Vulkan 1.2, which the device has.
    unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
    let device = properties.properties;
    let text = |field: Option<&CStr>| field.unwrap_or_default().to_string_lossy().into_owned();
    let version = text(driver.driver_info_as_c_str().ok());
    (text(device.device_name_as_c_str().ok()), format!("{} {version}", text(driver.driver_name_as_c_str().ok())))
}

fn binding(buffer: &Buffer) -> vk::DescriptorSetLayoutBinding<'static> {
    let kind = if buffer.uniform { vk::DescriptorType::UNIFORM_BUFFER } else { vk::DescriptorType::STORAGE_BUFFER };
    vk::DescriptorSetLayoutBinding::default()
        .binding(buffer.binding)
        .descriptor_type(kind)
        .descriptor_count(1)
        .stage_flags(vk::ShaderStageFlags::COMPUTE)
}
