// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "secpod.h"

struct opened {
	struct mutex lock; /* one read() of a file at a time */
	struct log_reader reader;
};

static int device_open(struct inode *inode, struct file *file)
{
	struct opened *opened = kzalloc(sizeof(*opened), GFP_KERNEL);

	if (!opened)
		return -ENOMEM;
	mutex_init(&opened->lock);
	log_reader_init(&opened->reader);
	file->private_data = opened;
	return stream_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static int wait_for_record(struct file *file, const struct log_reader *reader)
{
	if (log_has_more(reader))
		return 0;
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_interruptible(log_wait, log_has_more(reader));
}

static ssize_t device_read(struct file *file, char __user *to, size_t size, loff_t *offset)
{
	struct opened *opened = file->private_data;
	struct log_reader reader;
	struct secpod_record record;
	size_t done = 0;
	int error;

	if (size < sizeof(record))
		return -EINVAL;
	error = mutex_lock_interruptible(&opened->lock);
	if (error)
		return error;
	error = wait_for_record(file, &opened->reader);
	while (!error && size - done >= sizeof(record)) {
		/* A record that does not reach the reader stays the next one. */
		reader = opened->reader;
		if (!log_next(&reader, &record))
			break;
		if (copy_to_user(to + done, &record, sizeof(record))) {
			error = -EFAULT;
			break;
		}
		opened->reader = reader;
		done += sizeof(record);
	}
	mutex_unlock(&opened->lock);
	return done ? (ssize_t)done : error;
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *table)
{
	const struct opened *opened = file->private_data;

	poll_wait(file, &log_wait, table);
	return log_has_more(&opened->reader) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long give_info(void __user *to)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error)
		return error;
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static long give_stats(void __user *to)
{
	struct secpod_stats *stats = kmalloc(sizeof(*stats), GFP_KERNEL);
	int error = stats ? secpod_get_stats(stats) : -ENOMEM;

	if (!error && copy_to_user(to, stats, sizeof(*stats)))
		error = -EFAULT;
	kfree(stats);
	return error;
}

static long give_sites(struct secpod_sites __user *to)
{
	struct secpod_text_site *site;
	long count = -EFAULT;
	u64 after;

	BUILD_BUG_ON(sizeof(to->site) > PAGE_SIZE);
	site = (struct secpod_text_site *)__get_free_page(GFP_KERNEL);
	if (!site)
		return -ENOMEM;
	if (!get_user(after, &to->after))
		count = secpod_call(SECPOD_CALL_TEXT_SITES, virt_to_phys(site), after,
				    SECPOD_TEXT_SITES_MAX, 0);
	if (count >= 0 && (put_user((u64)count, &to->count) ||
			   copy_to_user(to->site, site, (size_t)count * sizeof(*site))))
		count = -EFAULT;
	free_page((unsigned long)site);
	return count < 0 ? count : 0;
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	switch (command) {
	case SECPOD_IOC_INFO:
		return give_info((void __user *)argument);
	case SECPOD_IOC_STATS:
		return give_stats((void __user *)argument);
	case SECPOD_IOC_ACTIVATE:
		return secpod_call(SECPOD_CALL_ACTIVATE, 0, 0, 0, 0);
	case SECPOD_IOC_LOCK:
		return secpod_call(SECPOD_CALL_LOCK, 0, 0, 0, 0);
	case SECPOD_IOC_SITES:
		return give_sites((void __user *)argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.read = device_read,
	.poll = device_poll,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "secpod",
	.fops = &operations,
	.mode = 0600,
};

static bool set;

/* By now there are functions that lead into this module: without its device it stays all the same. */
int device_start(void)
{
	const int error = misc_register(&device);

	set = !error;
	if (error)
		pr_err("secpod: there is no /dev/secpod (error %d)\n", error);
	return 0;
}

void device_stop(void)
{
	if (set)
		misc_deregister(&device);
}
